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
        let mut handed_over = Vec::with_capacity(call.messages.len());
        for message in &mut call.messages {
            let due = self.due(&message.content, now);
            if due > now {
                message.not_before = Some(due);
            } else if let Some(dispatch) = &self.dispatch {
                message.permit = dispatch.permit(&message.content, now);
            }
            handed_over.push((Arc::clone(&message.content), due));
        }
        let accepted = self.queue.accept(call, now).await?;
        for (stored, (content, due)) in accepted.iter().zip(handed_over) {
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
