//! Messages that nobody sends any more and that a human should look at: counted, and sent again many at a time.

use async_trait::async_trait;

use super::{Moved, StoreError};
use crate::message::{AccountName, MessageId, Reason, Status};
use crate::time::UnixMs;

/// Messages of one account that ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// Whose.
    pub account: AccountName,
    /// `failed` or `unconfirmed`.
    pub status: Status,
    /// Why.
    pub reason: Option<Reason>,
    /// How many there are.
    pub count: u64,
    /// When the last of them ended.
    pub last_at: UnixMs,
    /// One that ended last.
    pub example: MessageId,
}

/// A message that is to be sent again as one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Which.
    pub id: MessageId,
    /// Not to be sent before.
    pub due_at: UnixMs,
}

/// The messages that ended badly.
#[async_trait]
pub trait DeadLetterOffice: Send + Sync {
    /// Those that failed or are unconfirmed since `since`, by account, status and reason; the largest heap first.
    async fn dead_letters(&self, since: UnixMs) -> Result<Vec<DeadLetters>, StoreError>;
    /// Sends messages again, each by [`Delivery::retry_as_one_of_many`](crate::delivery::Delivery::retry_as_one_of_many);
    /// durable when answered. What became of each, in the order given; nothing where the message did not allow it.
    async fn retry_all(
        &self,
        which: Vec<Again>,
        now: UnixMs,
    ) -> Result<Vec<Option<Moved>>, StoreError>;
}
