//! Where news of recipients comes in from outside a send: persisted first, then told to whoever watches.
//! What a send's own answer and receipt tell is heard by the store, in the transaction that settles them.

use std::sync::Arc;

use super::{Heard, News, Recipients};
use crate::dispatch::Slots;
use crate::message::AccountName;
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Nonce};
use crate::time::Clock;

/// Where news comes in.
pub struct Hearing {
    /// The recipients.
    pub recipients: Arc<dyn Recipients>,
    /// The node's sender slots: messages that waited may go on.
    pub slots: Arc<Slots>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

impl Hearing {
    /// Takes note of news; durable when it answers.
    pub async fn hear(
        &self,
        account: &AccountName,
        openid: &str,
        news: Vec<News>,
        nonce: Option<Nonce>,
    ) -> Result<Heard, AcceptError> {
        let now = self.clock.now();
        let heard = self
            .recipients
            .hear(account, openid, news, nonce, now)
            .await?;
        for reason in &heard.raised {
            self.observer.observe(&Event::Suppressed {
                account: account.clone(),
                reason: *reason,
            });
        }
        if heard.released > 0 {
            self.slots.waiting(account, now, now);
        }
        Ok(heard)
    }
}
