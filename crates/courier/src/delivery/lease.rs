//! A lease is the permission to send. Each claim bumps `lease_seq`, so that whoever held the lease before is known as a
//! former holder; a lease taken back leaves a repeatable message in doubt, because its call may be out.

use super::Delivery;
use crate::message::{Kind, MessageId, Reason, Status};
use crate::time::UnixMs;

/// Who may send a message now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The node.
    pub node: String,
    /// The node's epoch when it claimed; a lease on a gone epoch belongs to nobody.
    pub epoch: i64,
    /// When it was claimed: the earliest moment its call can have gone out.
    pub at: UnixMs,
}

/// Names one lease of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseRef {
    /// The message.
    pub id: MessageId,
    /// Its `lease_seq` when the lease was taken.
    pub lease_seq: u32,
}

/// The answer to the look just before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It may be sent.
    Go,
    /// Somebody else holds it by now.
    LeaseGone,
    /// It ended instead of being sent; status and reason say how.
    Ended(Status, Option<Reason>),
    /// It waits aside instead of being sent.
    PutAside,
}

/// What speaks against a call, as of the look before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The recipient is suppressed, for this reason.
    Suppressed(Reason),
    /// The template is stopped.
    TemplateStopped,
}

impl Delivery {
    /// Takes a lease.
    pub fn take_lease(&mut self, lease: Lease) {
        self.lease_seq += 1;
        self.lease = Some(lease);
        self.status = Status::Sending;
        self.call_started_at = None;
    }

    /// Whether `lease_seq` names the lease in force.
    #[must_use]
    pub fn holds(&self, lease_seq: u32) -> bool {
        self.status == Status::Sending && self.lease.is_some() && self.lease_seq == lease_seq
    }

    /// Gives back a lease whose call was not made.
    pub fn release(&mut self, lease_seq: u32, now: UnixMs) {
        if self.holds(lease_seq) {
            self.requeue(now, self.reason);
        }
    }

    /// Frees a lease that its node does not know of. A call that is marked may be out all the same.
    pub fn let_lapse(&mut self, kind: Kind, lease_seq: u32, now: UnixMs) {
        if self.holds(lease_seq) && self.call_started_at.is_some() {
            self.take_back(kind, now);
        } else {
            self.release(lease_seq, now);
        }
    }

    /// Takes the lease of a dead node back. The call may be out: a claim is the mark of a repeatable kind,
    /// `call_started_at` that of the others.
    pub fn take_back(&mut self, kind: Kind, now: UnixMs) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        if kind.repeatable() || self.call_started_at.is_some() {
            self.possibly_accepted(lease.at);
        }
        if self.window_closed(kind, now) {
            self.end(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        } else {
            self.requeue(now, self.reason);
        }
    }

    /// The look just before the call: the lease, the caller's wishes, the expiry, the window, and the `objection`, if there
    /// is one. For a kind that cannot be repeated a `Go` leaves the mark that must be durable before the call.
    pub fn look(
        &mut self,
        kind: Kind,
        lease_seq: u32,
        objection: Option<Objection>,
        now: UnixMs,
    ) -> Look {
        if !self.holds(lease_seq) {
            return Look::LeaseGone;
        }
        if self.cancel_requested {
            self.finish(Status::Cancelled, None);
        } else if self.expired(now) {
            self.finish(Status::Expired, None);
        } else if self.window_closed(kind, now) {
            self.end(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        } else if let Some(Objection::Suppressed(reason)) = objection {
            self.finish(Status::Suppressed, Some(reason));
        } else if objection == Some(Objection::TemplateStopped) && self.doubt.is_none() {
            self.put_aside(now);
            return Look::PutAside;
        } else {
            if !kind.repeatable() {
                self.call_started_at = Some(now);
            }
            return Look::Go;
        }
        Look::Ended(self.status, self.reason)
    }

    /// A call begun at `since` may have been accepted; the doubt counts from the first such call.
    pub(super) fn possibly_accepted(&mut self, since: UnixMs) {
        self.doubt = Some(self.doubt.map_or(since, |first| first.min(since)));
    }
}
