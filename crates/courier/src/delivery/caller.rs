//! What a caller may ask of a message: cancel it, send it again. Cancel ends only what waits; a retry of what WeChat
//! knows takes a new generation; a forced retry keeps the old doubt.

use super::Delivery;
use crate::message::{Content, Status};
use crate::recipient::Hold;
use crate::time::UnixMs;

/// What a cancel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The message ended; its status says how.
    Ended,
    /// A call may be under way: its outcome wins, and if the message waits again it ends.
    Asked,
}

/// A message that ended, or that WeChat has, cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is {0}: only a message that is queued or sending can be cancelled")]
pub struct CancelRefused(pub Status);

/// This message cannot be sent again in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryRefused {
    /// It has not ended, or the user has it.
    #[error(
        "the message is {0}: only failed, expired, cancelled and suppressed messages can be retried"
    )]
    NotEnded(Status),
    /// The user may have it already.
    #[error(
        "the message is unconfirmed, so the user may have it already: retry it with force, one by one"
    )]
    NeedsForce,
    /// Nobody knows for whom it was.
    #[error("the message's recipient was forgotten, and with it what it said: send a new one")]
    Forgotten,
}

/// Why a message is left alone when many are sent again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftAlone {
    /// Its `expires_at` passed: it would come too late.
    Expired,
    /// Its recipient is suppressed, or was: that ends by an act of the user or of an operator.
    Suppressed,
    /// The user may have it already.
    InDoubt,
    /// It has not ended, or the user has it.
    NotEnded,
    /// Nobody knows for whom it was.
    Forgotten,
}

impl Delivery {
    /// Cancels a message.
    pub fn cancel(&mut self) -> Result<Cancelled, CancelRefused> {
        match self.status {
            Status::Queued => {
                self.finish(Status::Cancelled, None);
                Ok(Cancelled::Ended)
            }
            Status::Sending => {
                self.cancel_requested = true;
                Ok(Cancelled::Asked)
            }
            status => Err(CancelRefused(status)),
        }
    }

    /// Sends a message again that failed or was cancelled, as one of many that nobody looked at one by one: not before
    /// `due_at`, and only where it can do no harm. `hold` is what holds its recipient back at that time.
    pub fn retry_as_one_of_many(
        &mut self,
        content: &Content,
        hold: Option<Hold>,
        due_at: UnixMs,
        now: UnixMs,
    ) -> Result<(), LeftAlone> {
        match self.status {
            _ if content.names_nobody() => return Err(LeftAlone::Forgotten),
            Status::Expired => return Err(LeftAlone::Expired),
            Status::Suppressed => return Err(LeftAlone::Suppressed),
            Status::Unconfirmed => return Err(LeftAlone::InDoubt),
            _ if self.doubtful() => return Err(LeftAlone::InDoubt),
            _ if self.expired(due_at) => return Err(LeftAlone::Expired),
            Status::Failed | Status::Cancelled if matches!(hold, Some(Hold::End(_))) => {
                return Err(LeftAlone::Suppressed);
            }
            _ => {}
        }
        self.retry(content, false, now)
            .map_err(|_| LeftAlone::NotEnded)?;
        self.due_at = due_at.max(now);
        Ok(())
    }

    /// Sends a message again.
    pub fn retry(
        &mut self,
        content: &Content,
        force: bool,
        now: UnixMs,
    ) -> Result<(), RetryRefused> {
        match self.status {
            _ if content.names_nobody() => return Err(RetryRefused::Forgotten),
            Status::Failed | Status::Expired | Status::Cancelled | Status::Suppressed => {
                // A msgid means that WeChat took a call and its receipt said it failed: a repeat would be swallowed.
                self.generation += u32::from(self.msgid.is_some() || force);
            }
            Status::Unconfirmed if force => {
                self.generation += 1;
                self.old_doubt = true;
                self.doubt = None;
            }
            Status::Unconfirmed => return Err(RetryRefused::NeedsForce),
            status => return Err(RetryRefused::NotEnded(status)),
        }
        self.msgid = None;
        self.retries = 0;
        self.repeats = 0;
        self.last_errcode = None;
        if self.expired(now) {
            self.expires_at = None;
        }
        self.requeue(now, None);
        Ok(())
    }
}
