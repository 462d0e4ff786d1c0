//! Messages that nobody sends any more and that a human should look at: counted, and sent again many at a time.

use std::time::Duration;

use async_trait::async_trait;

use super::{Moved, StoreError};
use crate::delivery::LeftAlone;
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

/// Messages that are to be sent again, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// Which, in their order.
    pub ids: Vec<MessageId>,
    /// The first is not to be sent before.
    pub first_due: UnixMs,
    /// So long lies between two of them. One that is left alone takes no place.
    pub every: Duration,
}

/// The messages that ended badly.
#[async_trait]
pub trait DeadLetterOffice: Send + Sync {
    /// Those that failed or are unconfirmed since `since`, by account, status and reason; the largest heap first.
    async fn dead_letters(&self, since: UnixMs) -> Result<Vec<DeadLetters>, StoreError>;
    /// Sends messages again, each by [`Delivery::retry_as_one_of_many`](crate::delivery::Delivery::retry_as_one_of_many);
    /// durable when answered. What became of each, in the order given. One whose broadcast is paused is held by it.
    async fn retry_all(
        &self,
        again: Again,
        now: UnixMs,
    ) -> Result<Vec<Result<Moved, LeftAlone>>, StoreError>;
}
