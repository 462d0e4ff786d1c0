//! Web authorisation as WeChat plays it: the checks before a user is sent back, and codes that work once and for a while.
//! It knows nothing of pages.

use std::collections::HashMap;

use rand::RngExt;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};

use super::refusal::{Denied, Refusal};
use super::token::TokenRequest;
use super::{AccountKind, World, check};
use crate::fault::Endpoint;

/// How long a code works.
const CODE_LIFE_MS: i64 = 300_000;
const CODE_LEN: usize = 32;
const TOKEN_LEN: usize = 89;

/// A code that was given to a browser.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    account: usize,
    openid: String,
    given_ms: i64,
    used: bool,
}

/// Every code ever given.
pub(crate) type Codes = HashMap<String, Code>;

/// What the authorise page is asked.
#[derive(Clone, Copy, Debug)]
pub struct AuthoriseRequest<'a> {
    pub appid: &'a str,
    pub redirect_uri: &'a str,
    pub response_type: &'a str,
    pub scope: &'a str,
    pub state: &'a str,
}

/// What the page says instead of sending the user back; the codes are those of WeChat's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageError {
    pub code: i64,
    pub text: &'static str,
}

const fn page_error<T>(code: i64, text: &'static str) -> Result<T, PageError> {
    Err(PageError { code, text })
}

/// The host in an address, without its port.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(authority.split(':').next().unwrap_or(authority))
}

/// The state that WeChat takes: at most 128 letters and digits.
fn is_state(state: &str) -> bool {
    state.len() <= 128 && state.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl World {
    /// The domain to which users may be sent back; none leaves every one open, which WeChat never does.
    pub fn set_oauth_domain(&mut self, appid: &str, domain: Option<&str>) -> bool {
        self.change(appid, |account| {
            account.oauth_domain = domain.map(str::to_owned);
        })
    }

    /// Whether a user may be sent back as asked. Codes and words are those of WeChat's page on web authorisation,
    /// <https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html>. Which it tells of a
    /// `state` of other characters is not on it: here, that of a missing one.
    pub fn may_authorise(&self, request: &AuthoriseRequest<'_>) -> Result<(), PageError> {
        if request.appid.is_empty() {
            return page_error(10012, "appid不能为空");
        }
        if request.redirect_uri.is_empty() {
            return page_error(10011, "redirect_uri不能为空");
        }
        if request.scope.is_empty() {
            return page_error(10010, "scope不能为空");
        }
        let Some(number) = self.number_of(request.appid) else {
            return page_error(10016, "不支持微信开放平台的Appid，请使用公众号Appid");
        };
        let account = &self.accounts[number];
        if account.punished {
            return page_error(10004, "此公众号被封禁");
        }
        let known = matches!(request.scope, "snsapi_base" | "snsapi_userinfo");
        if !known || request.response_type != "code" || account.kind == AccountKind::Subscription {
            return page_error(10005, "此公众号并没有这些scope的权限");
        }
        let domain = account.oauth_domain.as_deref();
        let host = host_of(request.redirect_uri);
        if host.is_none() || domain.is_some_and(|domain| host != Some(domain)) {
            return page_error(10003, "redirect_uri域名与后台配置不一致");
        }
        if !is_state(request.state) {
            return page_error(10013, "state不能为空");
        }
        Ok(())
    }

    /// The users whom the page can be asked to play.
    pub fn pickable(&self, appid: &str) -> Vec<String> {
        let number = self.number_of(appid);
        let mut all: Vec<String> = number.map_or_else(Vec::new, |number| {
            let known = self.accounts[number].ledger.openids();
            known.map(str::to_owned).collect()
        });
        all.sort();
        all
    }

    /// A code for a user; none if there is no such account, or it can be nobody's openid.
    pub fn give_code(&mut self, now_ms: i64, appid: &str, openid: &str) -> Option<String> {
        let account = self.number_of(appid)?;
        let known = self.accounts[account].ledger.state(openid).is_some();
        if !known && !check::is_openid(openid) {
            return None;
        }
        let code = self.letters(CODE_LEN);
        let given = Code {
            account,
            openid: openid.to_owned(),
            given_ms: now_ms,
            used: false,
        };
        self.codes.insert(code.clone(), given);
        Some(code)
    }

    /// `/sns/oauth2/access_token`.
    pub fn authorise(
        &mut self,
        now_ms: i64,
        request: &TokenRequest<'_>,
        code: &str,
    ) -> Result<Value, Refusal> {
        let owner = self.number_of(request.appid);
        self.arrived(Endpoint::Oauth, owner);
        let outcome = self.redeem(now_ms, request, code);
        self.answer(now_ms, owner, outcome)
    }

    fn redeem(
        &mut self,
        now_ms: i64,
        request: &TokenRequest<'_>,
        code: &str,
    ) -> Result<Value, Denied> {
        if request.grant_type != "authorization_code" {
            return Err(Denied::code(40002));
        }
        if request.appid.is_empty() {
            return Err(Denied::code(41002));
        }
        if request.secret.is_empty() {
            return Err(Denied::code(41004));
        }
        if code.is_empty() {
            return Err(Denied::code(41008));
        }
        let number = self.number_of(request.appid).ok_or(Denied::code(40013))?;
        if self.accounts[number].secret != request.secret {
            return Err(Denied::code(40125));
        }
        let known = self.codes.get_mut(code);
        let given = known.filter(|given| given.account == number);
        let Some(given) = given.filter(|given| now_ms < given.given_ms + CODE_LIFE_MS) else {
            return Err(Denied::code(40029));
        };
        if given.used {
            return Err(Denied::code(40163));
        }
        given.used = true;
        let openid = given.openid.clone();
        let (access, refresh) = (self.letters(TOKEN_LEN), self.letters(TOKEN_LEN));
        Ok(
            json!({"access_token": access, "expires_in": 7200, "refresh_token": refresh,
            "openid": openid, "scope": "snsapi_base"}),
        )
    }

    fn letters(&mut self, count: usize) -> String {
        let letters = (0..count).map(|_| char::from(self.random.sample(Alphanumeric)));
        letters.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AccountConfig, Seed};

    const APPID: &str = "wx5eed0000c0ffee01";
    const OPENID: &str = "oSim000000000000000000000001";

    fn world() -> World {
        World::new(&Seed {
            accounts: vec![AccountConfig::new(APPID, "s3cret")],
            ..Seed::default()
        })
    }

    fn ask<'a>(redirect_uri: &'a str, state: &'a str) -> AuthoriseRequest<'a> {
        AuthoriseRequest {
            appid: APPID,
            redirect_uri,
            response_type: "code",
            scope: "snsapi_base",
            state,
        }
    }

    fn redeem(world: &mut World, now_ms: i64, code: &str) -> Result<Value, i64> {
        let request = TokenRequest {
            grant_type: "authorization_code",
            ..TokenRequest::new(APPID, "s3cret")
        };
        let answer = world.authorise(now_ms, &request, code);
        answer.map_err(|refusal| refusal.errcode)
    }

    #[test]
    fn a_code_works_once_and_for_five_minutes() {
        let mut world = world();
        let code = world.give_code(0, APPID, OPENID).unwrap();
        assert_eq!(redeem(&mut world, 1, &code).unwrap()["openid"], OPENID);
        assert_eq!(redeem(&mut world, 2, &code), Err(40163));
        assert_eq!(redeem(&mut world, 2, "nonsense"), Err(40029));
        let late = world.give_code(0, APPID, OPENID).unwrap();
        assert_eq!(redeem(&mut world, CODE_LIFE_MS, &late), Err(40029));
        assert!(world.give_code(0, APPID, "nobody").is_none());
    }

    #[test]
    fn users_are_sent_back_to_the_domain_alone_that_is_set() {
        let mut world = world();
        let may = |world: &World, url: &str, state: &str| {
            world
                .may_authorise(&ask(url, state))
                .map_err(|error| error.code)
        };
        assert_eq!(may(&world, "http://anywhere.example/x", "s"), Ok(()));
        world.set_oauth_domain(APPID, Some("a.example"));
        assert_eq!(may(&world, "https://a.example:8443/x?y", "s"), Ok(()));
        for url in [
            "https://b.example/",
            "https://a.example.b.example/",
            "a.example",
        ] {
            assert_eq!(may(&world, url, "s"), Err(10003), "{url}");
        }
        assert_eq!(may(&world, "https://a.example/", "not-a-state"), Err(10013));
        assert_eq!(may(&world, "", "s"), Err(10011));
    }
}
