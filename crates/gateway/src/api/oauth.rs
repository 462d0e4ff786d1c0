//! `GET /wechat/oauth/{account}/start` and `…/callback`: a user's browser goes to WeChat and back, and a program learns the
//! openid. It must not believe anything that a browser brings but what this gateway sealed and WeChat confirmed.

pub mod crowd;
mod page;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Ledger, Nonce};
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_wechat::errcode::{Class, Fault};
use hongyan_wechat::error::CallError;
use hongyan_wechat::oauth::{Authorised, authorise_url};
use http::header::{CACHE_CONTROL, COOKIE, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::clock::{SystemClock, remember_until};
use crate::oauth::pending::{self, CALLER_STATE_MAX, Pending};
use crate::oauth::redirect::{Rule, allowed, with_parameter};
use crate::oauth::token::{self, Claims};

use page::Refusal;

/// The most codes that WeChat is asked about at once.
pub const ASKED_AT_ONCE: usize = 64;

/// What a program finds in the query when its user comes back.
const TOKEN_PARAMETER: &str = "hongyan_token";

/// A code as long as this is none of WeChat's.
const CODE_MAX: usize = 256;

/// How users of an account get to one client.
#[derive(Debug, Clone)]
pub struct Way {
    pub account: AccountName,
    pub appid: String,
    pub client: String,
    pub public_url: String,
    pub authorize_base: String,
    pub redirects: Vec<Rule>,
}

/// Asks WeChat whose a code is.
pub type Ask = Arc<
    dyn Fn(AccountName, String) -> BoxFuture<'static, Result<Authorised, CallError>> + Send + Sync,
>;

/// What the two calls are made of.
pub struct Oauth {
    pub ways: Vec<Way>,
    /// Of the clients that have a way, newest first.
    pub secrets: HashMap<String, Vec<SecretString>>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<SystemClock>,
    pub ask: Ask,
    pub asked: Semaphore,
}

/// Sends a user's browser to WeChat, to come back with an openid.
#[utoipa::path(
    get, path = "/wechat/oauth/{account}/start", tag = "wechat",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("redirect" = String, Query, description = "Where to send the user back to; an address that is allowed for this account"),
        ("state" = Option<String>, Query, description = "The program's own word, up to 256 bytes: it comes back signed"),
    ),
    responses((status = 302, description = "To WeChat's page, with a cookie"))
)]
pub async fn start(
    State(oauth): State<Arc<Oauth>>,
    PathPart(account): PathPart,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let begun = oauth.begin(&account, &uri);
    begun.unwrap_or_else(|refusal| refusal.answer(&headers))
}

/// Takes a user back from WeChat, and sends the browser on to the program with a signed openid.
#[utoipa::path(
    get, path = "/wechat/oauth/{account}/callback", tag = "wechat",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("code" = Option<String>, Query, description = "WeChat's word for the user"),
        ("state" = Option<String>, Query, description = "As it was sent to WeChat"),
    ),
    responses((status = 302, description = "To the program, with `hongyan_token` in the query"))
)]
pub async fn callback(
    State(oauth): State<Arc<Oauth>>,
    PathPart(account): PathPart,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let (answer, result) = match oauth.finish(&account, &headers, &uri).await {
        Ok(response) => (response, "ok"),
        Err(refusal) => (refusal.answer(&headers), refusal.result()),
    };
    let known = oauth.ways.iter().any(|way| way.account.as_str() == account);
    if known {
        metrics::counter!("hongyan_oauth_total", "account" => account, "result" => result)
            .increment(1);
    }
    answer
}

impl Oauth {
    fn begin(&self, account: &str, uri: &Uri) -> Result<Response, Refusal> {
        self.known(account)?;
        let unreadable = |_| Refusal::Redirect;
        let mut query = Query::read(uri).map_err(unreadable)?;
        let redirect = query.text("redirect").map_err(unreadable)?;
        let redirect = redirect.ok_or(Refusal::Redirect)?;
        let state = query.text("state").map_err(unreadable)?;
        if state
            .as_ref()
            .is_some_and(|text| text.len() > CALLER_STATE_MAX)
        {
            return Err(Refusal::CallerState);
        }
        let of_account = self
            .ways
            .iter()
            .filter(|way| way.account.as_str() == account);
        let rules = of_account.flat_map(|way| way.redirects.iter().map(move |rule| (rule, way)));
        let way = allowed(rules, &redirect).ok_or(Refusal::Redirect)?;
        if names_token(&redirect) {
            return Err(Refusal::Redirect);
        }
        let secret = self.secrets(&way.client).first().ok_or(Refusal::Unknown)?;
        let pending = Pending {
            client: way.client.clone(),
            redirect,
            state,
            until: self.clock.wall().0.div_euclid(1_000) + pending::LIFE_SECONDS,
        };
        let ours = pending::new_state();
        let sealed = pending.seal(account, &ours, secret);
        let back = format!("{}/wechat/oauth/{account}/callback", way.public_url);
        let to = authorise_url(&way.authorize_base, &way.appid, &back, &ours);
        sent(&to, &cookie(way, &ours, &sealed, pending::LIFE_SECONDS))
    }

    async fn finish(
        &self,
        account: &str,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Response, Refusal> {
        self.known(account)?;
        let unreadable = |_| Refusal::Stale;
        let mut query = Query::read(uri).map_err(unreadable)?;
        let state = query.text("state").map_err(unreadable)?;
        let state = state
            .filter(|text| pending::is_state(text))
            .ok_or(Refusal::Stale)?;
        let code = query.text("code").map_err(unreadable)?;
        let code = code
            .filter(|text| text.len() <= CODE_MAX)
            .ok_or(Refusal::Stale)?;
        let wall = self.clock.wall();
        let kept = kept(headers, &pending::cookie_name(&state)).ok_or(Refusal::Stale)?;
        let secrets = |client: &str| self.secrets(client);
        let pending =
            Pending::open(kept, (account, &state), secrets, wall).ok_or(Refusal::Stale)?;
        // The configuration may have changed while the user was away.
        let rules = self
            .ways
            .iter()
            .filter(|way| way.account.as_str() == account && way.client == pending.client)
            .flat_map(|way| way.redirects.iter().map(move |rule| (rule, way)));
        let way = allowed(rules, &pending.redirect).ok_or(Refusal::Redirect)?;
        // Before the state is spent: a user who is turned away for now may try again, and a crowd does not fill the store.
        let _turn = self.asked.try_acquire().map_err(|_| Refusal::Away)?;
        self.spend(way, &state, pending.until).await?;
        let user = self.user(way, code).await?;
        let secret = self.secrets(&way.client).first().ok_or(Refusal::Unknown)?;
        let claims = Claims {
            sub: &user.openid,
            unionid: user.unionid.as_deref(),
            account: way.account.as_str(),
            appid: &way.appid,
            aud: &way.client,
            redirect: &pending.redirect,
            state: pending.state.as_deref(),
            jti: &state,
        };
        let token = token::sign(&claims, secret, wall);
        let to = with_parameter(&pending.redirect, TOKEN_PARAMETER, &token);
        sent(&to, &cookie(way, &state, "", 0))
    }

    /// A state serves once, on any node, before or after a restart.
    async fn spend(&self, way: &Way, state: &str, until: i64) -> Result<(), Refusal> {
        let nonce = Nonce {
            owner: format!("oauth:{}", way.account),
            nonce: state.to_owned(),
            expires_at: remember_until(UnixMs(until.saturating_mul(1_000)), Duration::ZERO),
            body: None,
            act: None,
        };
        match self.ledger.spend(nonce, self.clock.now()).await {
            Ok(()) => Ok(()),
            Err(AcceptError::Store(error)) => {
                tracing::warn!(%error, "a user cannot be taken back for want of the store");
                Err(Refusal::Away)
            }
            Err(_) => Err(Refusal::Stale),
        }
    }

    async fn user(&self, way: &Way, code: String) -> Result<Authorised, Refusal> {
        let error = match (self.ask)(way.account.clone(), code).await {
            Ok(user) => return Ok(user),
            Err(error) => error,
        };
        let account = &way.account;
        if let CallError::Refused(refused) = &error
            && refused.class() == Class::Parameter(Fault::Request)
        {
            tracing::debug!(%account, %error, "WeChat does not take a code");
            return Err(Refusal::Stale);
        }
        tracing::warn!(%account, %error, "WeChat cannot be asked whose a code is");
        Err(Refusal::Away)
    }

    fn known(&self, account: &str) -> Result<(), Refusal> {
        let known = self.ways.iter().any(|way| way.account.as_str() == account);
        known.then_some(()).ok_or(Refusal::Unknown)
    }

    fn secrets(&self, client: &str) -> &[SecretString] {
        self.secrets.get(client).map_or(&[], Vec::as_slice)
    }
}

/// Whether an address brings a token of its own: a program that reads the first of two would take somebody else's.
fn names_token(redirect: &str) -> bool {
    let query = redirect.split_once('?').map_or("", |(_, query)| query);
    let read = percent_decode_str(query).decode_utf8_lossy();
    read.contains(TOKEN_PARAMETER)
}

/// What a browser keeps for the way back, or forgets after it.
fn cookie(way: &Way, state: &str, value: &str, seconds: i64) -> String {
    let prefix = way.public_url.parse::<Uri>();
    let prefix = prefix.map_or(String::new(), |url| {
        url.path().trim_end_matches('/').to_owned()
    });
    let secure = if way.public_url.starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    format!(
        "{}={value}; Path={prefix}/wechat/oauth/{}/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        pending::cookie_name(state),
        way.account
    )
}

/// The value of a cookie that a browser brought.
fn kept<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter();
    let pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Sends a browser elsewhere. Neither the address nor what is in it is kept or told on.
fn sent(to: &str, cookie: &str) -> Result<Response, Refusal> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Refusal::Redirect);
    let headers: [(HeaderName, HeaderValue); 4] = [
        (LOCATION, value(to)?),
        (SET_COOKIE, value(cookie)?),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}

#[cfg(test)]
mod tests;
