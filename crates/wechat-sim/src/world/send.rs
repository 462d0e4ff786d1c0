//! `message/template/send`: the order in which WeChat looks at a message, and what acceptance records.
//! It knows nothing of HTTP, faults and receipts.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::RngExt;

use super::World;
use super::account::{Account, AccountKind, Template};
use super::check::{self, MiniProgram};
use super::ledger::{FollowerState, Seen};
use super::quota::{beijing_day, minute};
use super::refusal::{Denied, Refusal};
use crate::fault::Endpoint;

/// A parsed send; `data` is the JSON text of the object.
#[derive(Clone, Debug, Default)]
pub struct SendRequest<'a> {
    pub access_token: &'a str,
    pub touser: &'a str,
    pub template_id: &'a str,
    pub url: &'a str,
    pub miniprogram: Option<MiniProgram<'a>>,
    pub data: &'a str,
    pub client_msg_id: Option<&'a str>,
}

/// What became of a send.
pub type SendAnswer = Result<Accepted, Refusal>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub msgid: i64,
    /// True when `client_msg_id` was known: the msgid is the first one's and nothing is shown again.
    pub repeated: bool,
    pub(crate) account: usize,
    /// Nobody else may send to this person until the answer is out.
    pub(crate) alone: Option<u32>,
}

impl World {
    /// Judges a message as of `now_ms` and, if it is accepted, shows it to its recipient.
    pub fn send(&mut self, now_ms: i64, request: &SendRequest<'_>) -> SendAnswer {
        let owner = self.registry.owner(request.access_token);
        self.arrived(Endpoint::Send, owner);
        let outcome = self
            .judge(now_ms, request)
            .inspect(|accepted| self.count_accepted(owner, *accepted));
        self.answer(now_ms, owner, outcome)
    }

    /// A body that is no JSON: the token is looked at first all the same.
    pub fn unreadable(&mut self, now_ms: i64, endpoint: Endpoint, access_token: &str) -> Refusal {
        let owner = self.registry.owner(access_token);
        self.arrived(endpoint, owner);
        let denied = match self.registry.check(now_ms, access_token) {
            Err(denied) => denied,
            Ok(_) => Denied::code(47001),
        };
        self.refusal(now_ms, owner, denied)
    }

    /// Notes that the answer to an accepted message is on its way; false where nobody counts them.
    pub(crate) fn enter(&mut self, accepted: &Accepted) -> bool {
        let account = &mut self.accounts[accepted.account];
        let counted = account.kind == AccountKind::Test;
        account.under_way += u32::from(counted);
        account.fans_under_way.extend(accepted.alone);
        counted || accepted.alone.is_some()
    }

    /// The answer is out. The account may have been made anew meanwhile.
    pub(crate) fn leave(&mut self, accepted: &Accepted) {
        let account = &mut self.accounts[accepted.account];
        account.under_way = account.under_way.saturating_sub(1);
        if let Some(person) = accepted.alone {
            account.fans_under_way.remove(&person);
        }
    }

    fn judge(&mut self, now_ms: i64, request: &SendRequest<'_>) -> Result<Accepted, Denied> {
        let number = self.registry.check(now_ms, request.access_token)?;
        let Account {
            kind, under_way, ..
        } = &self.accounts[number];
        match kind {
            AccountKind::Subscription => return Err(Denied::code(48001)),
            AccountKind::Test if *under_way >= self.rules.test_concurrency => {
                return Err(Denied::code(-1));
            }
            AccountKind::Test | AccountKind::Verified => {}
        }
        self.check_message(number, request)?;
        let rules = &self.rules;
        let account = &mut self.accounts[number];
        let person = account.ledger.person(request.touser);
        if let Some(id) = request.client_msg_id
            && let Some(shown) = account.ledger.shown(person, id)
            && now_ms - shown.at_ms < i64::from(rules.repeat_window_s) * 1000
        {
            let accepted = Accepted {
                msgid: shown.msgid,
                repeated: true,
                account: number,
                alone: None,
            };
            return match rules.repeat_errcode {
                0 => Ok(accepted),
                errcode => Err(Denied::code(errcode)),
            };
        }
        if let Some(limit) = rules.per_openid_minute
            && account.ledger.in_minute(person, minute(now_ms)) >= limit
        {
            return Err(Denied::code(43117));
        }
        let content = rules.content_rule.then(|| content_of(request));
        if let Some(content) = content
            && account.ledger.content_repeats(person, content, now_ms)
        {
            return Err(Denied::code(40241));
        }
        if let Some(limit) = account.sends_a_minute
            && !account.meters.sends_minute.take(minute(now_ms), limit)
        {
            return Err(Denied::code(45011));
        }
        let day = beijing_day(now_ms);
        if !account.meters.sends_day.take(day, account.daily_quota) {
            return Err(Denied::code(45009));
        }
        if let Some(content) = content {
            account.ledger.note_content(person, content, now_ms);
        }
        if rules.per_openid_minute.is_some() {
            account.ledger.note_minute(person, minute(now_ms));
        }
        Ok(self.accept(now_ms, number, person, request))
    }

    fn check_message(&self, number: usize, request: &SendRequest<'_>) -> Result<(), Denied> {
        let account = &self.accounts[number];
        let own = |template: &Template| !template.subscription;
        let wanted = self.wanted(account, request.template_id, own)?;
        match account.ledger.state(request.touser) {
            Some(FollowerState::Subscribed) => {}
            Some(FollowerState::Unsubscribed) => return Err(Denied::code(43004)),
            Some(FollowerState::Blacklisted) => return Err(Denied::code(43019)),
            Some(FollowerState::Refused) => return Err(Denied::code(43101)),
            None if !self.rules.strict && check::is_openid(request.touser) => {}
            None => return Err(Denied::code(40003)),
        }
        check::targets(request.url, request.miniprogram.as_ref())?;
        check::data(request.data, wanted)?;
        let blocked = &self.rules.blocked_words;
        if blocked.iter().any(|word| request.data.contains(word)) {
            return Err(Denied::code(40249));
        }
        Ok(())
    }

    /// The keys that a message of this template must bring, if the template is of the call's own sort.
    pub(super) fn wanted<'a>(
        &self,
        account: &'a Account,
        template_id: &str,
        own: impl Fn(&Template) -> bool,
    ) -> Result<&'a [String], Denied> {
        check::template_id_size(template_id)?;
        match account.templates.get(template_id) {
            Some(template) if own(template) => Ok(&template.keys),
            Some(_) => Err(Denied::code(40037)),
            None if self.rules.strict || account.deleted.contains(template_id) => {
                Err(Denied::code(40037))
            }
            None => Ok(&[]),
        }
    }

    pub(super) fn accept(
        &mut self,
        now_ms: i64,
        number: usize,
        person: u32,
        request: &SendRequest<'_>,
    ) -> Accepted {
        self.last_msgid += self.random.random_range(1..=9);
        let msgid = self.last_msgid;
        let seen = (!self.rules.lean).then(|| Seen {
            at: now_ms,
            msgid,
            client_msg_id: request.client_msg_id.map(Into::into),
            template_id: request.template_id.into(),
            data: request.data.into(),
        });
        let ledger = &mut self.accounts[number].ledger;
        ledger.show(person, request.client_msg_id, now_ms, msgid, seen);
        Accepted {
            msgid,
            repeated: false,
            account: number,
            alone: None,
        }
    }

    pub(super) fn count_accepted(&mut self, owner: Option<usize>, accepted: Accepted) {
        let of_account = owner.map(|number| &mut self.accounts[number].calls);
        for calls in of_account.into_iter().chain([&mut self.calls]) {
            if accepted.repeated {
                calls.repeated += 1;
            } else {
                calls.accepted += 1;
            }
        }
    }
}

fn content_of(request: &SendRequest<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.template_id.hash(&mut hasher);
    request.data.hash(&mut hasher);
    hasher.finish()
}
