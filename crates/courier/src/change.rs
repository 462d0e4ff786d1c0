//! What a caller asks of a message that is stored: cancel it, send it again. The store decides; whoever claims and
//! whoever watches is told.

use std::sync::Arc;

use crate::delivery::{CancelRefused, Cancelled, RetryRefused};
use crate::dispatch::Slots;
use crate::message::{Message, MessageId};
use crate::observer::{Event, Observer};
use crate::port::{ChangeError, Ledger, Nonce};
use crate::time::Clock;

/// Where callers change messages.
pub struct Changes {
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// The node's sender slots.
    pub slots: Arc<Slots>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

impl Changes {
    /// Cancels a message. Answers what that did, and the message as it stands then.
    pub async fn cancel(
        &self,
        id: MessageId,
        nonce: Option<Nonce>,
    ) -> Result<(Cancelled, Message), ChangeError<CancelRefused>> {
        let cancelled = self.ledger.cancel(id, nonce, self.clock.now()).await?;
        let message = self.ledger.find(id).await?.ok_or(ChangeError::NotFound)?;
        if cancelled == Cancelled::Ended {
            self.tell(&message);
        }
        Ok((cancelled, message))
    }

    /// Sends a message again. Answers it as it stands then.
    pub async fn retry(
        &self,
        id: MessageId,
        force: bool,
        nonce: Option<Nonce>,
    ) -> Result<Message, ChangeError<RetryRefused>> {
        let moved = self
            .ledger
            .retry(id, force, nonce, self.clock.now())
            .await?;
        let message = self.ledger.find(id).await?.ok_or(ChangeError::NotFound)?;
        self.slots
            .waiting(&message.content.account, moved.due_at, self.clock.now());
        self.tell(&message);
        Ok(message)
    }

    fn tell(&self, message: &Message) {
        self.observer.observe(&Event::Moved {
            id: message.id,
            account: message.content.account.clone(),
            status: message.delivery.status,
            reason: message.delivery.reason,
            msgid: message.delivery.msgid,
        });
    }
}
