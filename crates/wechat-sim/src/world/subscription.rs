//! The three calls for subscription messages: what each looks at, in which order, and the credits that they spend.
//! None of them knows a repeat again: whoever calls twice shows twice.

use super::World;
use super::account::{AccountKind, Template};
use super::check::{self, MiniProgram};
use super::ledger::FollowerState;
use super::quota::{beijing_day, minute};
use super::refusal::Denied;
use super::send::{Accepted, SendAnswer, SendRequest};
use crate::fault::Endpoint;

/// The longest title of a one-time message, in characters.
const TITLE_CHARS: usize = 15;
/// The longest text of a one-time message, in characters.
const CONTENT_CHARS: usize = 200;
const SCENE_MAX: i64 = 10_000;

/// Which of the three calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionCall {
    /// `message/subscribe/bizsend`
    Service,
    /// `message/subscribe/send`
    MiniProgram,
    /// `message/template/subscribe`
    OneTime,
}

impl SubscriptionCall {
    pub(crate) fn endpoint(self) -> Endpoint {
        match self {
            Self::Service => Endpoint::BizSend,
            Self::MiniProgram => Endpoint::SubscribeSend,
            Self::OneTime => Endpoint::OneTimeSend,
        }
    }
}

/// A parsed call; `data` is the JSON text of the object.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest<'a> {
    pub call: SubscriptionCall,
    pub access_token: &'a str,
    pub touser: &'a str,
    pub template_id: &'a str,
    /// `page`, or `url` of a one-time message.
    pub link: &'a str,
    pub miniprogram: Option<MiniProgram<'a>>,
    pub scene: Option<i64>,
    pub title: &'a str,
    pub data: &'a str,
}

impl World {
    /// Somebody answered the subscription dialogue, or changed the setting: an accept is good for one message, a reject
    /// for none until the next accept. False when there is no such account.
    pub fn subscribe(
        &mut self,
        appid: &str,
        openid: &str,
        template_id: &str,
        accept: bool,
    ) -> bool {
        self.change(appid, |account| {
            account.ledger.subscribe(openid, template_id, accept);
        })
    }

    /// How many messages of a template somebody still takes.
    pub fn credits(&self, appid: &str, openid: &str, template_id: &str) -> u32 {
        self.number_of(appid).map_or(0, |number| {
            self.accounts[number].ledger.credits(openid, template_id)
        })
    }

    /// Judges a subscription message as of `now_ms` and, if it is accepted, shows it to its recipient.
    pub fn send_subscription(
        &mut self,
        now_ms: i64,
        request: &SubscriptionRequest<'_>,
    ) -> SendAnswer {
        let owner = self.registry.owner(request.access_token);
        self.arrived(request.call.endpoint(), owner);
        let outcome = self
            .judge_subscription(now_ms, request)
            .inspect(|accepted| self.count_accepted(owner, *accepted));
        self.answer(now_ms, owner, outcome)
    }

    fn judge_subscription(
        &mut self,
        now_ms: i64,
        request: &SubscriptionRequest<'_>,
    ) -> Result<Accepted, Denied> {
        let number = self.registry.check(now_ms, request.access_token)?;
        if self.accounts[number].kind != AccountKind::Verified {
            return Err(Denied::code(48001));
        }
        self.check_subscription(number, request)?;
        let rules = &self.rules;
        let account = &mut self.accounts[number];
        let person = account.ledger.person(request.touser);
        if account.fans_under_way.contains(&person) {
            return Err(Denied::code(43108));
        }
        let long_term = account
            .templates
            .get(request.template_id)
            .is_some_and(|template| template.long_term);
        let ledger = &mut account.ledger;
        if let Some(limit) = rules.per_openid_minute
            && ledger.in_minute(person, minute(now_ms)) >= limit
        {
            return Err(Denied::code(43117));
        }
        // Before a credit is spent, so that a refusal costs none.
        let day = beijing_day(now_ms);
        let meter = &mut account.meters.subscriptions_day[request.call as usize];
        if meter.used(day) >= account.daily_quota {
            return Err(Denied::code(45009));
        }
        let willing = if long_term || !rules.credits {
            !ledger.has_rejected(person, request.template_id)
        } else {
            ledger.spend_credit(person, request.template_id)
        };
        if !willing {
            return Err(Denied::code(43101));
        }
        meter.take(day, account.daily_quota);
        if rules.per_openid_minute.is_some() {
            ledger.note_minute(person, minute(now_ms));
        }
        let message = SendRequest {
            template_id: request.template_id,
            data: request.data,
            ..SendRequest::default()
        };
        Ok(Accepted {
            alone: Some(person),
            ..self.accept(now_ms, number, person, &message)
        })
    }

    fn check_subscription(
        &self,
        number: usize,
        request: &SubscriptionRequest<'_>,
    ) -> Result<(), Denied> {
        let account = &self.accounts[number];
        // Where those of the authorise page are listed is not told, so any will do for them.
        let own = |template: &Template| {
            template.subscription || request.call == SubscriptionCall::OneTime
        };
        let wanted = self.wanted(account, request.template_id, own)?;
        // Nobody has to follow the account for these.
        match account.ledger.state(request.touser) {
            Some(FollowerState::Blacklisted) => return Err(Denied::code(43019)),
            Some(FollowerState::Refused) => return Err(Denied::code(43101)),
            Some(_) => {}
            None if !self.rules.strict && check::is_openid(request.touser) => {}
            None => return Err(Denied::code(40003)),
        }
        check::targets(request.link, request.miniprogram.as_ref())?;
        match request.call {
            SubscriptionCall::OneTime => one_time(request)?,
            SubscriptionCall::MiniProgram if request.link.contains("://") => {
                return Err(Denied::code(41030));
            }
            SubscriptionCall::Service | SubscriptionCall::MiniProgram => {
                check::data(request.data, wanted)?;
            }
        }
        let blocked = &self.rules.blocked_words;
        if blocked.iter().any(|word| request.data.contains(word)) {
            return Err(Denied::code(45168));
        }
        Ok(())
    }
}

/// What is asked of a one-time message.
fn one_time(request: &SubscriptionRequest<'_>) -> Result<(), Denied> {
    let titled = (1..=TITLE_CHARS).contains(&request.title.chars().count());
    if !titled {
        return Err(Denied::code(40062));
    }
    let known_scene = request
        .scene
        .is_some_and(|scene| (0..=SCENE_MAX).contains(&scene));
    if !known_scene {
        return Err(Denied::code(40097));
    }
    let content: serde_json::Value = serde_json::from_str(request.data).unwrap_or_default();
    let text = content["content"]["value"].as_str().unwrap_or("");
    match text.chars().count() {
        0 => Err(Denied::with(
            47003,
            "argument invalid! data.content.value is empty",
        )),
        1..=CONTENT_CHARS => Ok(()),
        _ => Err(Denied::with(
            47003,
            "argument invalid! data.content.value invalid",
        )),
    }
}
