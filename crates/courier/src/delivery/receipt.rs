//! WeChat's later word on a message. A success settles whatever stands there; a failure acts once, on the generation it
//! speaks of; a late word settles `unconfirmed` but never sends again. Of two words that contradict each other the success
//! wins, whichever comes first: the user has it. The other one is kept beside it.

use std::time::Duration;

use hongyan_wechat::callback::event::{ReceiptStatus, SubscriptionReceipt};
use hongyan_wechat::errcode::{Class, Endpoint, classify};
use serde::{Deserialize, Serialize};

use super::{Delivery, Policy};
use crate::account::{Flag, FlagSubject};
use crate::message::{Content, Reason, Status};
use crate::next::{Roll, backoff, refusal};
use crate::time::UnixMs;

/// How long after a receipt said "system failed" the message is sent anew, at the least.
const RESEND_PAUSE: Duration = Duration::from_secs(30);
/// So many words that were outweighed are kept.
pub const OUTWEIGHED_KEPT: usize = 4;

/// What a receipt says, as far as anything depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptWord {
    /// The user has it.
    Success,
    /// The user does not, because.
    Failed(Reason),
}

impl From<&ReceiptStatus> for ReceiptWord {
    fn from(status: &ReceiptStatus) -> Self {
        match status {
            ReceiptStatus::Success => Self::Success,
            ReceiptStatus::UserBlock => Self::Failed(Reason::UserBlocked),
            ReceiptStatus::SystemFailed => Self::Failed(Reason::SystemFailed),
            ReceiptStatus::FreqLimit => Self::Failed(Reason::FrequencyLimited),
            ReceiptStatus::Other(_) => Self::Failed(Reason::ReceiptFailed),
        }
    }
}

impl From<&SubscriptionReceipt> for ReceiptWord {
    /// By the code if it is one that is known, else by the words.
    fn from(receipt: &SubscriptionReceipt) -> Self {
        let class = classify(Endpoint::SubscriptionSend, receipt.error_code);
        if class == Class::Ok {
            return Self::Success;
        }
        match refusal(class) {
            Some(reason) => Self::Failed(reason),
            None => match Self::from(&ReceiptStatus::parse(&receipt.error_status)) {
                Self::Success => Self::Failed(Reason::ReceiptFailed),
                failed => failed,
            },
        }
    }
}

/// By which call of which message a receipt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressed {
    /// The call that answered this msgid.
    Msgid(i64),
    /// It names no call, and this message is the only one that it can mean.
    Match,
}

/// A receipt as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// WeChat's words, as they came.
    pub status: String,
    /// When it came in.
    pub at: UnixMs,
    /// Why the user does not have the message, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What else WeChat said of the message, which this outweighs; oldest first, at most [`OUTWEIGHED_KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outweighed: Vec<String>,
}

impl ReceiptRecord {
    /// A word that stands alone.
    #[must_use]
    pub fn new(status: impl Into<String>, at: UnixMs) -> Self {
        Self {
            status: status.into(),
            at,
            reason: None,
            outweighed: Vec::new(),
        }
    }

    fn outweigh(&mut self, others: impl IntoIterator<Item = String>) {
        let room = OUTWEIGHED_KEPT.saturating_sub(self.outweighed.len());
        self.outweighed.extend(others.into_iter().take(room));
    }
}

/// What a receipt did to its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What is to be flagged.
    pub flag: Option<Flag>,
    /// Whether it counts.
    pub effect: Effect,
}

/// Whether a receipt counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The message stands where it says.
    Acted,
    /// The same, and a failure that had acted until then does not count any more: it had said this, at that moment.
    Outweighs(Reason, UnixMs),
    /// It does not count: a success is known.
    Outweighed,
    /// It is only kept: of an earlier generation, or one more failure after the end.
    Kept,
}

impl From<Effect> for Received {
    fn from(effect: Effect) -> Self {
        Self { flag: None, effect }
    }
}

impl Delivery {
    /// Applies a receipt, which the store knows to be one of this message's. Answers what that did.
    pub fn receive(
        &mut self,
        content: &Content,
        by: Addressed,
        (word, mut record): (ReceiptWord, ReceiptRecord),
        (policy, roll): (Policy, Roll),
        now: UnixMs,
    ) -> Received {
        let reason = match word {
            // Said once more, in another envelope.
            ReceiptWord::Success if self.status == Status::Delivered => {
                return Effect::Kept.into();
            }
            ReceiptWord::Success => return self.succeed(record).into(),
            ReceiptWord::Failed(reason) => reason,
        };
        let of_this_generation = match by {
            Addressed::Msgid(msgid) => self.msgid == Some(msgid),
            // It may be about the call of an earlier generation as well.
            Addressed::Match => !self.old_doubt,
        };
        // An older generation's, or one that comes after the end: it is kept, and has no effect.
        if !of_this_generation || matches!(self.status, Status::Delivered | Status::Failed) {
            if let Some(standing) = &mut self.receipt {
                standing.outweigh([record.status]);
            }
            return match self.status {
                Status::Delivered => Effect::Outweighed.into(),
                _ => Effect::Kept.into(),
            };
        }
        record.reason = Some(reason);
        self.receipt = Some(record);
        self.doubt = None;
        // Only a call that WeChat named is known so well that another may follow it, and nothing can be sent to nobody.
        let may_resend = reason == Reason::SystemFailed
            && self.status == Status::Sent
            && content.kind.repeatable()
            && !content.names_nobody();
        if may_resend && self.resent < policy.receipt_retries {
            self.send_anew(now.plus(RESEND_PAUSE + backoff(self.resent, roll)), reason);
        } else {
            self.finish(Status::Failed, Some(reason));
        }
        Received {
            flag: flag(content, reason, now),
            effect: Effect::Acted,
        }
    }

    /// The user has it, whatever was said before.
    fn succeed(&mut self, mut record: ReceiptRecord) -> Effect {
        let mut effect = Effect::Acted;
        if let Some(before) = self.receipt.take() {
            if let Some(reason) = before.reason {
                effect = Effect::Outweighs(reason, before.at);
            }
            record.outweigh([before.status].into_iter().chain(before.outweighed));
        }
        self.receipt = Some(record);
        self.end(Status::Delivered, None);
        self.doubt = None;
        self.old_doubt = false;
        effect
    }

    /// A new generation, because the outcome of the old one is known and WeChat would swallow a repeat.
    fn send_anew(&mut self, at: UnixMs, reason: Reason) {
        self.resent += 1;
        self.generation += 1;
        self.msgid = None;
        self.receipt_due = None;
        self.retries = 0;
        self.repeats = 0;
        self.requeue(at, Some(reason));
    }
}

/// What a failure says of the recipient, for an operator to look at.
fn flag(content: &Content, reason: Reason, at: UnixMs) -> Option<Flag> {
    let of_recipient = matches!(
        reason,
        Reason::UserBlocked
            | Reason::FrequencyLimited
            | Reason::UserRefused
            | Reason::NotSubscribed
            | Reason::UserUnavailable
    );
    (of_recipient && !content.names_nobody()).then(|| Flag {
        subject: FlagSubject::Recipient,
        key: content.touser.clone(),
        reason,
        errcode: None,
        at,
    })
}
