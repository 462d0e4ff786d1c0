//! The endpoints around sending: template list, follower info, quota reading and clearing.
//! They answer with JSON values as WeChat shapes them; transport is none of their business.

use serde_json::{Value, json};

use super::World;
use super::account::Template;
use super::check;
use super::ledger::FollowerState;
use super::quota::{PLAIN_TOKENS_A_DAY, STABLE_TOKENS_A_DAY, STABLE_TOKENS_A_MINUTE, beijing_day};
use super::refusal::{Denied, Refusal};
use super::subscription::SubscriptionCall;
use crate::fault::Endpoint;

/// Calls a day granted to what has no figure of its own.
const USUAL_DAILY_LIMIT: u64 = 100_000;
/// The most followers that one answer lists.
const FOLLOWERS_A_PAGE: usize = 10_000;

impl World {
    /// `template/get_all_private_template`.
    pub fn templates(&mut self, now_ms: i64, access_token: &str) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::Templates,
            |world, number| {
                world.must_have_templates(number)?;
                let list = world.listed(number, false)?;
                let list: Vec<_> = list
                    .into_iter()
                    .map(|(id, template)| {
                        json!({"template_id": id, "title": template.title, "primary_industry": "",
                        "deputy_industry": "", "content": template.content, "example": ""})
                    })
                    .collect();
                Ok(json!({ "template_list": list }))
            },
        )
    }

    /// `newtmpl/gettemplate`.
    pub fn subscription_templates(
        &mut self,
        now_ms: i64,
        access_token: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::SubscriptionTemplates,
            |world, number| {
                world.must_have_subscriptions(number)?;
                let list = world.listed(number, true)?;
                let list: Vec<_> = list
                    .into_iter()
                    .map(|(id, template)| {
                        let lasts = if template.long_term { 3 } else { 2 };
                        json!({"priTmplId": id, "title": template.title, "content": template.content,
                        "example": "", "type": lasts})
                    })
                    .collect();
                Ok(json!({"errcode": 0, "errmsg": "ok", "data": list}))
            },
        )
    }

    /// An account's templates of one sort. Where any id is known, because the world is not strict and the account was never
    /// given a template of the sort, there is no list that could be true: it is refused.
    fn listed(
        &self,
        number: usize,
        subscription: bool,
    ) -> Result<Vec<(&String, &Template)>, Denied> {
        let account = &self.accounts[number];
        let mut list: Vec<_> = account
            .templates
            .iter()
            .filter(|(_, template)| template.subscription == subscription)
            .collect();
        if list.is_empty() && !self.rules.strict && account.deleted.is_empty() {
            return Err(Denied::code(48001));
        }
        list.sort_by_key(|(id, _)| id.as_str());
        Ok(list)
    }

    /// `user/info`.
    pub fn user_info(
        &mut self,
        now_ms: i64,
        access_token: &str,
        openid: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(now_ms, access_token, Endpoint::UserInfo, |world, number| {
            let known = world.accounts[number].ledger.state(openid);
            let on_demand = !world.rules.strict && check::is_openid(openid);
            let subscribed = match known {
                Some(FollowerState::Unsubscribed) => false,
                Some(_) => true,
                None if on_demand => true,
                None => return Err(Denied::code(40003)),
            };
            if !subscribed {
                return Ok(json!({"subscribe": 0, "openid": openid}));
            }
            Ok(
                json!({"subscribe": 1, "openid": openid, "nickname": "", "language": "zh_CN",
                "subscribe_time": 1_600_000_000, "remark": "", "groupid": 0, "tagid_list": [],
                "subscribe_scene": "ADD_SCENE_SEARCH", "qr_scene": 0, "qr_scene_str": ""}),
            )
        })
    }

    /// `user/get`: at most so many at a time, in the order in which they came to follow. The last page still names
    /// somebody to go on after, as WeChat's may; the page after it has no `data`.
    pub fn followers(
        &mut self,
        now_ms: i64,
        access_token: &str,
        after: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(now_ms, access_token, Endpoint::UserList, |world, number| {
            let ledger = &world.accounts[number].ledger;
            let page = ledger.followers(after, FOLLOWERS_A_PAGE);
            let page = page.ok_or(Denied::code(40003))?;
            let total = ledger.followers_count();
            let Some(last) = page.last() else {
                return Ok(json!({"total": total, "count": 0, "next_openid": ""}));
            };
            Ok(json!({"total": total, "count": page.len(), "next_openid": last, "data": {"openid": page}}))
        })
    }

    /// `openapi/quota/get`.
    pub fn quota(
        &mut self,
        now_ms: i64,
        access_token: &str,
        cgi_path: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(now_ms, access_token, Endpoint::Quota, |world, number| {
            if !cgi_path.starts_with('/') {
                return Err(Denied::code(76003));
            }
            let account = &world.accounts[number];
            let day = beijing_day(now_ms);
            let meters = &account.meters;
            let of = |call: SubscriptionCall| {
                let used = meters.subscriptions_day[call as usize].used(day);
                (account.daily_quota, used, 0)
            };
            let (limit, used, calls_a_minute) = match cgi_path {
                "/cgi-bin/message/template/send" => {
                    let a_minute = account.sends_a_minute.unwrap_or(0);
                    (account.daily_quota, meters.sends_day.used(day), a_minute)
                }
                "/cgi-bin/message/subscribe/bizsend" => of(SubscriptionCall::Service),
                "/cgi-bin/message/subscribe/send" => of(SubscriptionCall::MiniProgram),
                "/cgi-bin/message/template/subscribe" => of(SubscriptionCall::OneTime),
                "/cgi-bin/token" => (PLAIN_TOKENS_A_DAY, meters.plain_day.used(day), 0),
                "/cgi-bin/stable_token" => (
                    STABLE_TOKENS_A_DAY,
                    meters.stable_day.used(day),
                    STABLE_TOKENS_A_MINUTE,
                ),
                "/cgi-bin/template/get_all_private_template"
                | "/wxaapi/newtmpl/gettemplate"
                | "/wxaapi/newtmpl/addtemplate"
                | "/wxaapi/newtmpl/deltemplate"
                | "/cgi-bin/template/api_add_template"
                | "/cgi-bin/template/del_private_template"
                | "/cgi-bin/template/get_industry"
                | "/cgi-bin/template/api_set_industry"
                | "/cgi-bin/user/info"
                | "/cgi-bin/user/get" => (USUAL_DAILY_LIMIT, 0, 0),
                _ => return Err(Denied::code(76021)),
            };
            let remain = limit.saturating_sub(used);
            let mut answer = json!({"errcode": 0, "errmsg": "ok",
                "quota": {"daily_limit": limit, "used": used, "remain": remain}});
            if calls_a_minute > 0 {
                answer["rate_limit"] = json!({"call_count": calls_a_minute, "refresh_second": 60});
            }
            Ok(answer)
        })
    }

    /// `clear_quota`, by token.
    pub fn clear_quota(
        &mut self,
        now_ms: i64,
        access_token: &str,
        appid: &str,
    ) -> Result<Value, Refusal> {
        self.with_token(
            now_ms,
            access_token,
            Endpoint::ClearQuota,
            |world, number| {
                if world.accounts[number].appid != appid {
                    return Err(Denied::code(40013));
                }
                world.clear(now_ms, number)
            },
        )
    }

    /// `clear_quota/v2`, by secret: for when the token quota itself is spent.
    pub fn clear_quota_by_secret(
        &mut self,
        now_ms: i64,
        appid: &str,
        secret: &str,
    ) -> Result<Value, Refusal> {
        let owner = self.number_of(appid);
        self.arrived(Endpoint::ClearQuota, owner);
        let outcome = match owner {
            None => Err(Denied::code(40013)),
            Some(number) if self.accounts[number].secret != secret => Err(Denied::code(40125)),
            Some(number) => self.clear(now_ms, number),
        };
        self.answer(now_ms, owner, outcome)
    }

    /// `get_api_domain_ip`.
    pub fn api_domain_ip(&mut self, now_ms: i64, access_token: &str) -> Result<Value, Refusal> {
        self.with_token(now_ms, access_token, Endpoint::ApiDomainIp, |_, _| {
            Ok(json!({"ip_list": ["101.226.103.0/25", "127.0.0.1"]}))
        })
    }

    fn clear(&mut self, now_ms: i64, number: usize) -> Result<Value, Denied> {
        if !self.accounts[number].meters.clear(now_ms) {
            return Err(Denied::code(48006));
        }
        Ok(json!({"errcode": 0, "errmsg": "ok"}))
    }

    pub(super) fn with_token(
        &mut self,
        now_ms: i64,
        access_token: &str,
        endpoint: Endpoint,
        respond: impl FnOnce(&mut Self, usize) -> Result<Value, Denied>,
    ) -> Result<Value, Refusal> {
        let owner = self.registry.owner(access_token);
        self.arrived(endpoint, owner);
        let outcome = match self.registry.check(now_ms, access_token) {
            Ok(number) => respond(self, number),
            Err(denied) => Err(denied),
        };
        self.answer(now_ms, owner, outcome)
    }
}
