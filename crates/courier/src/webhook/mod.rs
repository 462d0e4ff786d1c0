//! Events out: what clients are told of their messages by webhook. An event is left in the store by the transaction that
//! moves the message, so none is lost and none is told of what did not happen; it is posted until it is taken or given up.
//! It knows nothing of HTTP, signatures, or how a message looks to its caller.

mod breaker;
mod retry;
mod sender;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message::{Content, Message, MessageId, Reason, Status, words};
use crate::port::{AcceptError, Nonce, StoreError};
use crate::time::UnixMs;

pub use retry::{GIVE_UP_AFTER, TRIES_MAX, Verdict, judge};
pub use sender::{Bell, Condition, Parts, Sender, Target};

/// The statuses that a client can be told of. It knows of `queued` from its own call, and `sending` says nothing yet.
pub const TOLD: [Status; 7] = [
    Status::Sent,
    Status::Delivered,
    Status::Failed,
    Status::Suppressed,
    Status::Cancelled,
    Status::Expired,
    Status::Unconfirmed,
];

/// How long an event that was taken out for a try is nobody else's. Whoever dies with it loses no more than this.
pub const TAKEN_FOR: Duration = Duration::from_secs(60);

/// How long an event waits for a webhook that is no longer configured, or is switched off, to come back.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(7 * 86_400);

/// One webhook: of which messages and statuses it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its name in the configuration.
    pub name: String,
    /// Whose messages.
    pub client: String,
    /// Which statuses; some of [`TOLD`].
    pub statuses: Vec<Status>,
    /// Of which accounts; of all if there are none here.
    pub accounts: Vec<String>,
}

impl Subscription {
    /// Whether it is told that a message of this content moved here.
    #[must_use]
    pub fn wants(&self, content: &Content, status: Status) -> bool {
        let accounts = &self.accounts;
        self.client == content.client
            && self.statuses.contains(&status)
            && (accounts.is_empty() || accounts.iter().any(|name| name == content.account.as_str()))
    }
}

/// Whether a step is worth an event at all: the message stands somewhere else now, and clients are told of such statuses.
#[must_use]
pub fn is_told(before: Option<Status>, after: Status) -> bool {
    before != Some(after) && TOLD.contains(&after)
}

/// An event's id: a UUID of version 7. It is the `webhook-id`, the same at every try.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// An id for an event of `now`; the rest of it is random.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        Self::from_bytes(*MessageId::new(now).as_bytes())
    }

    /// The sixteen bytes that a store keeps.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event: 32 hex digits were expected")]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        Uuid::try_parse(text).map(Self).map_err(|_| NotAnEventId)
    }
}

words! {
    /// What became of an event.
    EventState {
        /// It is posted, now or later.
        Waiting = "waiting",
        /// Its webhook took it.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
    }
}

/// That a message moved, for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The webhook's name.
    pub webhook: String,
    /// Which message.
    pub message: MessageId,
    /// Where it stood then.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// Its msgid then.
    pub msgid: Option<i64>,
    /// When that was.
    pub at: UnixMs,
}

impl Event {
    /// The event of a message that moved just now, for a webhook.
    #[must_use]
    pub fn new(webhook: &str, message: &Message, now: UnixMs) -> Self {
        let delivery = &message.delivery;
        Self {
            id: EventId::new(now),
            webhook: webhook.to_owned(),
            message: message.id,
            status: delivery.status,
            reason: delivery.reason,
            msgid: delivery.msgid,
            at: now,
        }
    }

    /// The message as it stood at the event, so that each try says the same whatever happened since.
    #[must_use]
    pub fn as_it_stood(&self, message: &Message) -> Message {
        let mut then = message.clone();
        let delivery = &mut then.delivery;
        delivery.status = self.status;
        delivery.reason = self.reason;
        delivery.msgid = self.msgid;
        delivery.attempts.retain(|attempt| attempt.at <= self.at);
        delivery.receipt = delivery.receipt.take().filter(|said| said.at <= self.at);
        then
    }
}

/// An event as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The event.
    pub event: Event,
    /// What became of it.
    pub state: EventState,
    /// Since when it is tried: it happened then, or somebody asked for it again.
    pub begun_at: UnixMs,
    /// Tries that were begun since.
    pub tries: u32,
    /// When the next one is due; none if it does not wait.
    pub due_at: Option<UnixMs>,
    /// What came of the last try that failed.
    pub last_error: Option<String>,
}

/// An event that was taken out for a try.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The event.
    pub event: Event,
    /// Since when it is tried: it happened then, or somebody asked for it again.
    pub begun_at: UnixMs,
    /// Tries that were begun since, this one included.
    pub tries: u32,
    /// The message as it stands now; none if it was forgotten meanwhile.
    pub message: Option<Message>,
}

/// How a webhook's events stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Its name.
    pub webhook: String,
    /// So many wait.
    pub waiting: u64,
    /// The oldest of them is of this moment.
    pub oldest: Option<UnixMs>,
    /// So many were given up and not forgotten yet.
    pub failed: u64,
    /// When the last of those was.
    pub failed_at: Option<UnixMs>,
    /// Since when it is switched off, because it said that it was gone; none while it is not.
    pub off_since: Option<UnixMs>,
}

/// Which events to post again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// This one, also if it was taken before.
    One(EventId),
    /// Those that were given up, of this moment or later.
    Failed(UnixMs),
}

/// The events that wait to be posted. They are left by whatever moves a message, in its own transaction.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// From now on events are left for these webhooks and no others, also by a restart. Durable when answered.
    async fn subscribe(&self, webhooks: Vec<Subscription>) -> Result<(), StoreError>;
    /// Takes out at most `limit` due events of a webhook, oldest due first; each is due again [`TAKEN_FOR`] later. Those
    /// that have been tried for longer than [`GIVE_UP_AFTER`] are given up instead. One that is switched off is left alone.
    async fn take(
        &self,
        webhook: &str,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Taken>, StoreError>;
    /// Records how tries went; durable when answered. One that was settled meanwhile stays as it is, unless it was taken.
    /// [`Verdict::Gone`] switches its webhook off, also for every later start.
    async fn tried(&self, tries: Vec<(EventId, Verdict)>, now: UnixMs) -> Result<(), StoreError>;
    /// A webhook that is switched off is asked again. Answers whether it was.
    async fn resume(
        &self,
        webhook: &str,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<bool, AcceptError>;
    /// How the webhooks' events stand.
    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError>;
    /// A page of a webhook's events, newest first, older than `before`.
    async fn events(
        &self,
        webhook: &str,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError>;
    /// Makes events due again, at most `limit`, with all their tries and time ahead of them. One whose message was forgotten
    /// is left as it is: there is nothing to post. Answers how many.
    async fn post_again(
        &self,
        webhook: &str,
        which: Again,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<usize, AcceptError>;
}

/// What came of posting an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// The webhook took it.
    Taken,
    /// It answered otherwise.
    Refused {
        /// The HTTP status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It could not be reached, or did not answer: why, without secrets.
    Unreached(String),
    /// It will never be posted: why.
    Unpostable(String),
}

/// The way to the webhooks.
#[async_trait]
pub trait Post: Send + Sync {
    /// Posts an event, with the message as it stood. It takes a bounded time.
    async fn post(&self, event: &Event, message: &Message) -> Posted;
}

#[cfg(test)]
mod tests;
