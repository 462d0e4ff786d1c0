//! Takes messages in: a permit where a sender slot is free, one durable write, and word to whoever claims.

use std::sync::Arc;

use crate::dispatch::{Dispatch, Slots};
use crate::message::{Content, Status};
use crate::observer::{Event, Observer};
use crate::port::{Accept, AcceptError, Accepted, Queue};
use crate::time::{Clock, UnixMs};

/// Where messages come in.
pub struct Acceptor {
    /// The messages as jobs.
    pub queue: Arc<dyn Queue>,
    /// This node's dispatcher, unless it only takes in.
    pub dispatch: Option<Arc<Dispatch>>,
    /// The node's sender slots.
    pub slots: Arc<Slots>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

impl Acceptor {
    /// Stores the messages of one call, all or none.
    pub async fn accept(&self, mut call: Accept) -> Result<Accepted, AcceptError> {
        let now = self.clock.now();
        let dues: Vec<UnixMs> = call
            .messages
            .iter()
            .map(|m| self.due(&m.content, now))
            .collect();
        let contents: Vec<_> = call
            .messages
            .iter()
            .map(|m| Arc::clone(&m.content))
            .collect();
        if let Some(dispatch) = &self.dispatch {
            for (message, due) in call.messages.iter_mut().zip(&dues) {
                if *due <= now {
                    message.permit = dispatch.permit(&message.content, now);
                }
            }
        }
        for (message, due) in call.messages.iter_mut().zip(&dues) {
            message.not_before = (*due > now).then_some(*due);
        }
        let accepted = self.queue.accept(call, now).await?;
        for ((stored, due), content) in accepted.iter().zip(dues).zip(contents) {
            let Ok(stored) = stored else { continue };
            if stored.replayed {
                continue;
            }
            if stored.status == Status::Queued {
                self.slots.waiting(&content.account, due, self.clock.now());
            }
            self.observer.observe(&Event::Accepted {
                id: stored.id,
                account: content.account.clone(),
            });
            if stored.status == Status::Suppressed {
                self.observer.observe(&Event::Moved {
                    id: stored.id,
                    account: content.account.clone(),
                    status: stored.status,
                    reason: stored.reason,
                    msgid: None,
                });
            }
        }
        Ok(accepted)
    }

    /// When a message may go: at the caller's wish, and not in quiet hours.
    fn due(&self, content: &Content, now: UnixMs) -> UnixMs {
        let due = content.send_at.unwrap_or(now).max(now);
        self.slots.put_off(&content.account, content.priority, due)
    }
}
