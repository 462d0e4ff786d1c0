//! Where a message stands, and every step it may take. The steps are pure functions on one row; a store loads the row,
//! applies a step and writes it back in one transaction, so every adapter keeps the same promises.

mod caller;
mod hold;
mod lease;
mod matching;
mod park;
mod receipt;
mod settle;
mod suppress;
mod sweep;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use caller::{CancelRefused, Cancelled, LeftAlone, RetryRefused};
pub use lease::{Lease, LeaseRef, Look, Objection};
pub use matching::{CLOCKS_APART, EVENT_AFTER_CALL, MATCH_AMONG, may_be_to, the_one_meant};
pub use park::PARKED;
pub use receipt::{Addressed, Effect, OUTWEIGHED_KEPT, ReceiptRecord, ReceiptWord, Received};
pub use settle::{CONTENT_MINUTE, Outcome, Settled, Settlement};

use crate::message::{Kind, Reason, Status};
use crate::next::SAFE_WINDOW;
use crate::time::UnixMs;

/// The calls that a message remembers; the first ones of a long life are dropped.
pub const ATTEMPTS_KEPT: usize = 20;

/// One call to WeChat for a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When the call was begun.
    pub at: UnixMs,
    /// WeChat's errcode; none if no answer could be read.
    pub errcode: Option<i64>,
    /// WeChat's words, or what happened instead of an answer.
    pub errmsg: String,
    /// WeChat's request id.
    pub rid: Option<String>,
    /// How long the call took, in milliseconds.
    pub took_ms: u32,
    /// The msgid it brought.
    pub msgid: Option<i64>,
    /// The generation it was made for.
    pub generation: u32,
}

/// What the account's settings say about a message's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Retries for what is transient.
    pub max_retries: u16,
    /// How long a receipt is awaited; none where the account has none.
    pub receipt_timeout: Option<Duration>,
    /// How often a message is sent anew after a receipt said that WeChat's system failed.
    pub receipt_retries: u16,
}

impl Policy {
    /// The same for a message of a broadcast that was cancelled: a receipt that it failed is its end.
    #[must_use]
    pub const fn sending_no_more(self) -> Self {
        Self {
            receipt_retries: 0,
            ..self
        }
    }
}

/// The changing half of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Where it stands.
    pub status: Status,
    /// Why; also shown while it waits.
    pub reason: Option<Reason>,
    /// Bumped when it is sent anew although WeChat knows the earlier call.
    pub generation: u32,
    /// Bumped by every lease, so that a former holder is known as such.
    pub lease_seq: u32,
    /// Who may send it now.
    pub lease: Option<Lease>,
    /// Not to be claimed before.
    pub due_at: UnixMs,
    /// Not to be sent after. A caller's retry of an expired message waives it.
    pub expires_at: Option<UnixMs>,
    /// When the first call of this generation that may have been accepted was begun.
    pub doubt: Option<UnixMs>,
    /// A call of an earlier generation may have been accepted (forced retries).
    pub old_doubt: bool,
    /// Repeats scheduled because of doubt.
    pub repeats: u16,
    /// Retries spent on what is transient.
    pub retries: u16,
    /// Times it was sent anew because a receipt said that it failed.
    pub resent: u16,
    /// The errcode of the last call.
    pub last_errcode: Option<i64>,
    /// Set durably before a call that cannot be repeated.
    pub call_started_at: Option<UnixMs>,
    /// A caller wants it cancelled; the outcome of the call under way wins.
    pub cancel_requested: bool,
    /// The msgid of this generation.
    pub msgid: Option<i64>,
    /// When the receipt counts as missing.
    pub receipt_due: Option<UnixMs>,
    /// WeChat's later word.
    pub receipt: Option<ReceiptRecord>,
    /// The calls made, oldest first; at most [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
}

impl Delivery {
    /// A message that is stored and waits for its turn.
    #[must_use]
    pub fn queued(due_at: UnixMs, expires_at: Option<UnixMs>) -> Self {
        Self {
            status: Status::Queued,
            reason: None,
            generation: 0,
            lease_seq: 0,
            lease: None,
            due_at,
            expires_at,
            doubt: None,
            old_doubt: false,
            repeats: 0,
            retries: 0,
            resent: 0,
            last_errcode: None,
            call_started_at: None,
            cancel_requested: false,
            msgid: None,
            receipt_due: None,
            receipt: None,
            attempts: Vec::new(),
        }
    }

    /// Whether nothing more is awaited: it has ended, or WeChat took it and its account has no receipts.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.ended() || (self.status == Status::Sent && self.receipt_due.is_none())
    }

    /// Whether a call may have been accepted, so that no end may say "the user saw nothing".
    #[must_use]
    pub fn doubtful(&self) -> bool {
        self.doubt.is_some() || self.old_doubt
    }

    /// When the last repeat of a call in doubt may be written.
    #[must_use]
    pub fn window_end(&self, kind: Kind) -> Option<UnixMs> {
        let since = self.doubt?;
        Some(if kind.repeatable() {
            since.plus(SAFE_WINDOW)
        } else {
            since
        })
    }

    /// Whether it is in doubt and WeChat would still drop a repeat.
    #[must_use]
    pub fn may_be_repeated(&self, kind: Kind, now: UnixMs) -> bool {
        kind.repeatable() && self.doubt.is_some() && !self.window_closed(kind, now)
    }

    /// Whether a call of this message may have reached WeChat after `since`, as far as the row tells.
    #[must_use]
    pub fn may_have_called_since(&self, since: UnixMs) -> bool {
        let took = |attempt: &Attempt| Duration::from_millis(attempt.took_ms.into());
        self.lease.is_some()
            || self.doubt.is_some_and(|first| first >= since)
            || self
                .attempts
                .iter()
                .any(|attempt| attempt.at.plus(took(attempt)) >= since)
    }

    fn expired(&self, at: UnixMs) -> bool {
        self.expires_at.is_some_and(|end| at >= end)
    }

    fn window_closed(&self, kind: Kind, at: UnixMs) -> bool {
        self.window_end(kind).is_some_and(|end| at >= end)
    }

    /// Ends with a status that says "the user saw nothing", which is open only to a message without doubt.
    fn finish(&mut self, status: Status, reason: Option<Reason>) {
        if self.doubtful() {
            self.end(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        } else {
            self.end(status, reason);
        }
    }

    fn end(&mut self, status: Status, reason: Option<Reason>) {
        self.give_up_lease();
        self.status = status;
        self.reason = reason;
        self.cancel_requested = false;
        self.receipt_due = None;
    }

    fn give_up_lease(&mut self) {
        self.lease = None;
        self.call_started_at = None;
    }

    fn requeue(&mut self, at: UnixMs, reason: Option<Reason>) {
        self.give_up_lease();
        self.status = Status::Queued;
        self.reason = reason;
        self.due_at = at;
        if self.cancel_requested {
            self.finish(Status::Cancelled, None);
        }
    }

    /// A settlement may be done twice; its call was one.
    fn record(&mut self, attempt: Attempt) {
        if self.attempts.contains(&attempt) {
            return;
        }
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.last_errcode = attempt.errcode;
        self.attempts.push(attempt);
    }
}
