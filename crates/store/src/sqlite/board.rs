//! The leases in force, for the look just before a call: answered from memory, without waiting for the writer.
//! It holds what is committed and nothing else; the writer alone changes it, after a commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{Delivery, LeaseRef, Look};
use hongyan_courier::message::{Content, Message, MessageId};

use super::held::Held;

#[derive(Debug)]
pub(super) struct Board {
    entries: Mutex<HashMap<MessageId, Entry>>,
    held: Arc<Held>,
}

#[derive(Debug)]
struct Entry {
    content: Arc<Content>,
    delivery: Delivery,
}

impl Board {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self {
            entries: Mutex::default(),
            held,
        }
    }

    /// The answer, where nothing has to be written for it.
    pub(super) fn look(&self, lease: LeaseRef, now: UnixMs) -> Option<Look> {
        let entries = self.entries();
        let Some(entry) = entries.get(&lease.id) else {
            return Some(Look::LeaseGone);
        };
        let (kind, touser) = (entry.content.kind, &entry.content.touser);
        let look = entry
            .delivery
            .clone()
            .look(kind, lease.lease_seq, None, now);
        match look {
            // Whether it is held back is for the writer to say.
            Look::Go if self.held.may_hold(touser) => None,
            Look::Go if kind.repeatable() => Some(look),
            Look::LeaseGone => Some(look),
            Look::Go | Look::Ended(..) | Look::PutAside => None,
        }
    }

    /// Takes over how some messages stand by now: leased, or not.
    pub(super) fn publish<'a>(
        &self,
        changes: impl Iterator<Item = (MessageId, Option<&'a Message>)>,
    ) {
        let mut entries = self.entries();
        for (id, message) in changes {
            match message {
                Some(message) => entries.insert(id, Entry::of(message)),
                None => entries.remove(&id),
            };
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<MessageId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Without what a look does not ask for, so that looking costs no allocation.
    fn of(message: &Message) -> Self {
        let d = &message.delivery;
        let mut delivery = Delivery::queued(d.due_at, d.expires_at);
        delivery.status = d.status;
        delivery.lease_seq = d.lease_seq;
        delivery.lease = d
            .lease
            .as_ref()
            .map(|lease| hongyan_courier::delivery::Lease {
                node: String::new(),
                ..*lease
            });
        delivery.doubt = d.doubt;
        delivery.old_doubt = d.old_doubt;
        delivery.cancel_requested = d.cancel_requested;
        Self {
            content: Arc::clone(&message.content),
            delivery,
        }
    }
}
