//! WeChat's later word on a message. A success settles whatever stands there; a failure acts once, on the generation it
//! speaks of; a late word settles `unconfirmed` but never sends again.

use std::time::Duration;

use hongyan_wechat::callback::event::ReceiptStatus;
use serde::{Deserialize, Serialize};

use super::{Delivery, Policy};
use crate::account::{Flag, FlagSubject};
use crate::message::{Content, Reason, Status};
use crate::next::{Roll, backoff};
use crate::time::UnixMs;

/// How long after a receipt said "system failed" the message is sent anew, at the least.
const RESEND_PAUSE: Duration = Duration::from_secs(30);

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

/// A receipt as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecord {
    /// WeChat's words, as they came.
    pub status: String,
    /// When it came in.
    pub at: UnixMs,
}

impl Delivery {
    /// Applies a receipt for `msgid`, which the store knows to be one of this message's.
    /// Answers what is to be flagged.
    pub fn receive(
        &mut self,
        content: &Content,
        msgid: i64,
        (word, record): (ReceiptWord, ReceiptRecord),
        (policy, roll): (Policy, Roll),
        now: UnixMs,
    ) -> Option<Flag> {
        let reason = match word {
            ReceiptWord::Success => {
                self.receipt = Some(record);
                self.end(Status::Delivered, None);
                self.doubt = None;
                self.old_doubt = false;
                return None;
            }
            ReceiptWord::Failed(reason) => reason,
        };
        // An older generation's, or the same word again: it has had its effect.
        if self.msgid != Some(msgid)
            || self.status == Status::Delivered
            || self.status == Status::Failed
        {
            return None;
        }
        self.receipt = Some(record);
        self.doubt = None;
        let may_resend = reason == Reason::SystemFailed && self.status == Status::Sent;
        if may_resend && self.resent < policy.receipt_retries {
            self.send_anew(now.plus(RESEND_PAUSE + backoff(self.resent, roll)), reason);
        } else {
            self.finish(Status::Failed, Some(reason));
        }
        let subject = match reason {
            Reason::UserBlocked | Reason::FrequencyLimited => FlagSubject::Recipient,
            _ => return None,
        };
        Some(Flag {
            subject,
            key: content.touser.clone(),
            reason,
            errcode: None,
            at: now,
        })
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
