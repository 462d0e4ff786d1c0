//! What is heard of a recipient, and what follows from it: pure. An answer or an event that speaks of an earlier time than
//! the last lift or event changes nothing, because WeChat repeats events and they overtake each other.

use std::time::Duration;

use hongyan_wechat::errcode::{Class, Fault, RateScope, RecipientFault};

use super::{Credit, Following, Recipient, Source, Suppression};
use crate::delivery::{Effect, ReceiptWord};
use crate::message::{Content, Reason};
use crate::receipt::NewReceipt;
use crate::time::UnixMs;

/// After so long what no event would ever take back is tried again: one call shows whether it still is so.
const TRIED_AGAIN: Duration = Duration::from_secs(30 * 86_400);
/// WeChat now and then calls an openid invalid that is not, so this is tried again sooner.
const INVALID_TRIED_AGAIN: Duration = Duration::from_secs(7 * 86_400);
/// How long a recipient is spared after a receipt said that it gets too much.
const RECEIPT_PAUSE: Duration = Duration::from_secs(3_600);
/// The same after an answer to a send said so.
const ANSWER_PAUSE: Duration = Duration::from_secs(120);
/// 43108: two calls for one recipient met. It says nothing about the recipient.
const CONCURRENT_SENDS: i64 = 43108;
/// By how much WeChat's clock and ours may differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Something heard of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// What.
    pub what: What,
    /// From whom.
    pub source: Source,
    /// Of which moment it speaks.
    pub at: UnixMs,
    /// The errcode that said so, if one did.
    pub errcode: Option<i64>,
}

/// What can be heard of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The user follows the account.
    Follows,
    /// The user does not, or no longer.
    FollowsNot,
    /// A send was refused as if the user did not follow, which is also said of users who do: to be confirmed.
    MayNotFollow,
    /// Nobody could say whether the user follows: to be asked again then.
    AskAgain(UnixMs),
    /// The account has black-listed the user.
    Blacklisted,
    /// The user's own account is frozen or gone.
    Dead,
    /// The openid is not one of this account's.
    NotOurs,
    /// The user has blocked the account's messages.
    Blocked,
    /// The user gets too much; nothing for so long.
    Limited(Duration),
    /// The user does not want this template.
    Refuses(String),
    /// The user agreed to one more message of this template.
    Accepts(String),
    /// A message of this template was accepted that needs such an agreement.
    Spent(String),
    /// What a receipt said until then is outweighed: the user got the message.
    TakenBack {
        /// What it had said.
        reason: Reason,
        /// Of this template alone; none for all.
        template_id: Option<String>,
    },
    /// A person does not want anything, or this template, sent.
    Suppress {
        /// This template alone; none for all.
        template_id: Option<String>,
        /// Until when; for good without.
        expires_at: Option<UnixMs>,
        /// Why, in that person's words.
        note: Option<String>,
    },
    /// A person wants messages sent again.
    Resume {
        /// Lifts what is about this template alone; none lifts everything.
        template_id: Option<String>,
        /// Until then nothing that WeChat says suppresses.
        override_until: Option<UnixMs>,
    },
}

impl News {
    /// What WeChat's answer to a send tells of the recipient.
    #[must_use]
    pub fn of_answer(
        class: Class,
        errcode: i64,
        content: &Content,
        called_at: UnixMs,
    ) -> Option<Self> {
        let what = match class {
            Class::Recipient(RecipientFault::NotSubscribed) => What::MayNotFollow,
            Class::Recipient(RecipientFault::Refused) => What::Refuses(content.template_id.clone()),
            Class::Recipient(RecipientFault::Blacklisted) => What::Blacklisted,
            Class::Recipient(RecipientFault::Limited) => What::Dead,
            Class::Parameter(Fault::OpenId) => What::NotOurs,
            Class::Rate(RateScope::Recipient) if errcode != CONCURRENT_SENDS => {
                What::Limited(ANSWER_PAUSE)
            }
            _ => return None,
        };
        Some(Self {
            what,
            source: Source::Errcode,
            at: called_at,
            errcode: Some(errcode),
        })
    }

    /// What an accepted send tells: a kind that lives of the user's agreements has used one up.
    #[must_use]
    pub fn of_acceptance(content: &Content, called_at: UnixMs) -> Option<Self> {
        content.kind.traits().needs_agreement.then(|| Self {
            what: What::Spent(content.template_id.clone()),
            source: Source::Errcode,
            at: called_at,
            errcode: None,
        })
    }

    /// What a receipt tells of the recipient.
    #[must_use]
    pub fn of_receipt(receipt: &NewReceipt) -> Option<Self> {
        let ReceiptWord::Failed(failure) = receipt.word else {
            return None;
        };
        let what = match failure {
            Reason::UserBlocked => What::Blocked,
            Reason::FrequencyLimited => What::Limited(RECEIPT_PAUSE),
            // Said of a subscription, which its event names.
            Reason::UserRefused => What::Refuses(receipt.template_id.clone()?),
            _ => return None,
        };
        Some(Self {
            what,
            source: Source::Receipt,
            at: end_of_second(receipt.create_time),
            errcode: None,
        })
    }

    /// What a receipt tells of the recipient once it did this to its message. Of whoever it is about it was heard before
    /// then, if it came before its message's msgid.
    #[must_use]
    pub fn of_joined(
        receipt: &NewReceipt,
        effect: &Effect,
        heard: bool,
        now: UnixMs,
    ) -> Option<Self> {
        let (reason, at) = match (effect, receipt.word) {
            (Effect::Acted, _) if !heard => return Self::of_receipt(receipt),
            (Effect::Outweighs(reason, at), _) => (*reason, *at),
            (Effect::Outweighed, ReceiptWord::Failed(reason)) if heard => (reason, now),
            _ => return None,
        };
        Some(Self {
            what: What::TakenBack {
                reason,
                template_id: receipt
                    .template_id
                    .clone()
                    .filter(|_| reason == Reason::UserRefused),
            },
            source: Source::Receipt,
            at,
            errcode: None,
        })
    }

    /// What an event of WeChat tells; `create_time` is WeChat's, in Unix seconds.
    #[must_use]
    pub fn of_event(what: What, create_time: i64) -> Self {
        Self {
            what,
            source: Source::Event,
            at: end_of_second(create_time),
            errcode: None,
        }
    }

    /// The word for the suppression that this leads to, if it leads to one.
    #[must_use]
    pub fn suppresses_for(&self) -> Option<Reason> {
        match &self.what {
            What::FollowsNot => Some(Reason::NotSubscribed),
            What::Blacklisted | What::Blocked => Some(Reason::UserBlocked),
            What::Dead => Some(Reason::UserUnavailable),
            What::NotOurs => Some(Reason::InvalidOpenid),
            What::Limited(_) => Some(Reason::FrequencyLimited),
            What::Refuses(_) => Some(Reason::UserRefused),
            What::Suppress { .. } => Some(Reason::SuppressedByOperator),
            What::Follows
            | What::MayNotFollow
            | What::AskAgain(_)
            | What::Accepts(_)
            | What::Spent(_)
            | What::TakenBack { .. }
            | What::Resume { .. } => None,
        }
    }
}

/// WeChat's times are whole seconds: what happened in one may have happened at its end.
pub(super) fn end_of_second(seconds: i64) -> UnixMs {
    UnixMs(seconds.saturating_mul(1_000).saturating_add(999))
}

fn second_of(at: UnixMs) -> i64 {
    at.0.div_euclid(1_000)
}

impl Recipient {
    /// Takes note of something heard. Answers the word for the suppression that it raised or renewed, if it did.
    pub fn hear(&mut self, news: &News, now: UnixMs) -> Option<Reason> {
        match &news.what {
            What::Follows => {
                self.follows(news, now);
                None
            }
            What::FollowsNot => self.follows_not(news, now),
            What::MayNotFollow => {
                let known = self.state == Following::Unsubscribed && self.is_held(now);
                if !known && !self.is_outdated(news) {
                    self.confirm_at.get_or_insert(now);
                }
                None
            }
            What::AskAgain(at) => {
                self.confirm_at = self.confirm_at.map(|_| *at);
                None
            }
            What::Blacklisted => self.stands(Following::Blacklisted, None, news, now),
            What::Dead => self.stands(Following::Dead, Some(TRIED_AGAIN), news, now),
            What::NotOurs => {
                self.confirm_at = None;
                self.suppress(None, Some(INVALID_TRIED_AGAIN), news, now)
            }
            What::Blocked => self.suppress(None, Some(TRIED_AGAIN), news, now),
            What::Limited(pause) => self.suppress(None, Some(*pause), news, now),
            What::Refuses(template_id) => self.refuses(template_id, news, now),
            What::Accepts(template_id) => {
                self.accepts(template_id, news);
                None
            }
            What::Spent(template_id) => {
                self.credits
                    .iter_mut()
                    .filter(|credit| credit.template_id == *template_id)
                    .for_each(|credit| credit.left = credit.left.saturating_sub(1));
                None
            }
            What::TakenBack {
                reason,
                template_id,
            } => {
                self.take_back(*reason, template_id.as_deref(), news);
                None
            }
            What::Suppress {
                template_id,
                expires_at,
                note,
            } => {
                let reason = Reason::SuppressedByOperator;
                self.keep(Suppression {
                    template_id: template_id.clone(),
                    reason,
                    source: news.source,
                    errcode: None,
                    note: note.clone(),
                    at: now,
                    expires_at: *expires_at,
                });
                Some(reason)
            }
            What::Resume {
                template_id,
                override_until,
            } => {
                self.resume(template_id.as_deref(), *override_until, now);
                None
            }
        }
    }

    /// Whether something later is known of how the user stands: of events by WeChat's clock, of the rest by ours.
    fn is_overtaken(&self, news: &News, state: Following) -> bool {
        if news.source != Source::Event {
            return self.since.is_some_and(|since| news.at < since);
        }
        let (at, known) = (second_of(news.at), self.event_at);
        known.is_some_and(|last| at < last || (at == last && self.state == state))
    }

    /// Whether it speaks of a time before the suppressions were lifted.
    fn is_outdated(&self, news: &News) -> bool {
        let by_wechats_clock = matches!(news.source, Source::Event | Source::Receipt);
        let slack = if by_wechats_clock {
            CLOCKS_DIFFER
        } else {
            Duration::ZERO
        };
        self.lifted_at
            .is_some_and(|lifted| news.at.plus(slack) < lifted)
    }

    fn is_held(&self, now: UnixMs) -> bool {
        self.suppressions
            .iter()
            .any(|one| one.template_id.is_none() && one.holds(now))
    }

    fn follows(&mut self, news: &News, now: UnixMs) {
        if self.is_overtaken(news, Following::Subscribed) {
            return;
        }
        self.stand(Following::Subscribed, news, now);
        self.confirm_at = None;
        if news.source == Source::Event {
            // Whoever begins to follow anew is asked for nothing that was true of the time before. If it still is, one
            // call says so again.
            self.suppressions.retain(|one| {
                one.source == Source::Operator || one.reason == Reason::FrequencyLimited
            });
            self.lifted_at = Some(now);
        } else {
            self.suppressions
                .retain(|one| one.reason != Reason::NotSubscribed);
        }
    }

    fn follows_not(&mut self, news: &News, now: UnixMs) -> Option<Reason> {
        if self.is_overtaken(news, Following::Unsubscribed) {
            return None;
        }
        self.confirm_at = None;
        self.stands(Following::Unsubscribed, None, news, now)
    }

    fn stands(
        &mut self,
        state: Following,
        hold: Option<Duration>,
        news: &News,
        now: UnixMs,
    ) -> Option<Reason> {
        if self.is_outdated(news) && news.source != Source::Event {
            return None;
        }
        self.stand(state, news, now);
        self.suppress(None, hold, news, now)
    }

    fn stand(&mut self, state: Following, news: &News, now: UnixMs) {
        if self.state != state || self.source.is_none() {
            self.since = Some(now);
            self.source = Some(news.source);
        }
        self.state = state;
        if news.source == Source::Event {
            self.event_at = Some(second_of(news.at));
        }
    }

    fn refuses(&mut self, template_id: &str, news: &News, now: UnixMs) -> Option<Reason> {
        // An event is taken back by an event; of the other nobody is ever told that it is over.
        let hold = (news.source != Source::Event).then_some(TRIED_AGAIN);
        let credit = self.credits.iter_mut();
        for credit in credit.filter(|credit| credit.template_id == template_id) {
            if second_of(news.at) < credit.event_at {
                return None;
            }
            credit.left = 0;
            if news.source == Source::Event {
                credit.event_at = second_of(news.at);
            }
        }
        self.suppress(Some(template_id), hold, news, now)
    }

    /// An act of the user is counted once, however often its event is repeated.
    fn accepts(&mut self, template_id: &str, news: &News) {
        let event_at = second_of(news.at);
        let known = self.credits.iter_mut();
        match known.into_iter().find(|one| one.template_id == template_id) {
            Some(credit) if event_at <= credit.event_at => return,
            Some(credit) => {
                credit.left += 1;
                credit.event_at = event_at;
            }
            None => self.credits.push(Credit {
                template_id: template_id.to_owned(),
                left: 1,
                event_at,
            }),
        }
        let of_template = |one: &Suppression| one.template_id.as_deref() == Some(template_id);
        self.suppressions
            .retain(|one| !(one.reason == Reason::UserRefused && of_template(one)));
    }

    fn resume(&mut self, template_id: Option<&str>, override_until: Option<UnixMs>, now: UnixMs) {
        self.suppressions
            .retain(|one| template_id.is_some() && one.template_id.as_deref() != template_id);
        self.lifted_at = Some(now);
        self.override_until = override_until;
    }

    /// A later word of another receipt stands, and so does anybody else's.
    fn take_back(&mut self, reason: Reason, template_id: Option<&str>, news: &News) {
        self.suppressions.retain(|one| {
            let same = one.reason == reason && one.template_id.as_deref() == template_id;
            !same || one.source != news.source || one.at > news.at
        });
    }

    fn suppress(
        &mut self,
        template_id: Option<&str>,
        hold: Option<Duration>,
        news: &News,
        now: UnixMs,
    ) -> Option<Reason> {
        let overridden = self.override_until.is_some_and(|end| now < end);
        if overridden || self.is_outdated(news) {
            return None;
        }
        let reason = news.suppresses_for()?;
        let known = self.suppressions.iter();
        let known = known
            .filter(|one| one.reason == reason && one.template_id.as_deref() == template_id)
            .map(|one| one.expires_at);
        let ends = known.chain([hold.map(|hold| now.plus(hold))]);
        // The one that holds longest; without an end is longer than any.
        let expires_at = ends.reduce(|one, other| Some(one?.max(other?))).flatten();
        self.keep(Suppression {
            template_id: template_id.map(str::to_owned),
            reason,
            source: news.source,
            errcode: news.errcode,
            note: None,
            at: now,
            expires_at,
        });
        Some(reason)
    }

    /// Said again, a suppression only gets younger.
    fn keep(&mut self, new: Suppression) {
        self.suppressions
            .retain(|one| (one.reason, &one.template_id) != (new.reason, &new.template_id));
        self.suppressions.push(new);
    }
}
