//! One accept as one transaction: everything is looked at before anything is kept, so that a refused call leaves no trace.
//! It hands nothing over; that is for after the commit.

use std::collections::HashSet;

use super::keys::OtherBody;
use super::state::State;
use crate::delivery::Delivery;
use crate::dispatch::Permit;
use crate::message::{Message, MessageId, Status};
use crate::port::{
    Accept, AcceptError, Accepted, DedupeMismatch, IdempotencyKey, NewMessage, NodeEpoch, Nonce,
    StoreError, Stored,
};
use crate::recipient::Hold;
use crate::time::UnixMs;

/// What an accept stored, and what is to be handed over now.
pub(super) struct Taken {
    pub(super) accepted: Accepted,
    pub(super) leased: Vec<(Permit, Message)>,
}

impl State {
    pub(super) fn accept(&mut self, call: Accept, now: UnixMs) -> Result<Taken, AcceptError> {
        if call
            .nonce
            .as_ref()
            .is_some_and(|nonce| !self.nonces.allows(nonce))
        {
            return Err(AcceptError::NonceSeen);
        }
        let known = call
            .idempotency
            .as_ref()
            .and_then(|key| self.replay(key, now));
        let expansion = call.broadcast;
        if expansion
            .as_ref()
            .is_some_and(|rows| !self.may_expand(rows))
        {
            return Err(AcceptError::BroadcastMoved);
        }
        let mut leased = Vec::new();
        let accepted = match known {
            Some(Err(OtherBody)) => return Err(AcceptError::IdempotencyMismatch),
            Some(Ok(accepted)) => accepted,
            None => {
                self.check_ids(&call.messages)?;
                let mut store = |message| self.store(message, now, &mut leased);
                let accepted: Accepted = call.messages.into_iter().map(&mut store).collect();
                if let Some(key) = &call.idempotency {
                    let ids = accepted.iter().map(|one| one.map(|stored| stored.id));
                    self.keys.keep(key, ids.collect());
                }
                accepted
            }
        };
        if let Some(expansion) = expansion {
            self.expanded(expansion, &accepted);
        }
        self.spend(call.nonce.as_ref());
        Ok(Taken { accepted, leased })
    }

    /// Spends a nonce, where there is one. Answers whether it may be used.
    pub(super) fn spend(&mut self, nonce: Option<&Nonce>) -> bool {
        let Some(nonce) = nonce else { return true };
        let allowed = self.nonces.allows(nonce);
        if allowed {
            self.nonces.keep(nonce);
        }
        allowed
    }

    /// What this key stored before, as it stands now; nothing if any of it is forgotten by now.
    fn replay(&self, key: &IdempotencyKey, now: UnixMs) -> Option<Result<Accepted, OtherBody>> {
        let known = match self.keys.find(key, now)? {
            Ok(known) => known,
            Err(other) => return Some(Err(other)),
        };
        let stand = |id: MessageId| {
            let status = self.status(id)?;
            Some(Stored {
                id,
                status,
                reason: None,
                replayed: true,
            })
        };
        let accepted: Option<Accepted> = known
            .ids
            .iter()
            .map(|one| one.map_or_else(|other| Some(Err(other)), |id| stand(id).map(Ok)))
            .collect();
        accepted.map(Ok)
    }

    fn check_ids(&self, messages: &[NewMessage]) -> Result<(), StoreError> {
        let mut ids = HashSet::new();
        for message in messages {
            if self.rows.contains_key(&message.id) || !ids.insert(message.id) {
                let why = format!("the id {} is taken", message.id);
                return Err(StoreError::Unavailable(why));
            }
        }
        Ok(())
    }

    fn store(
        &mut self,
        new: NewMessage,
        now: UnixMs,
        leased: &mut Vec<(Permit, Message)>,
    ) -> Result<Stored, DedupeMismatch> {
        if let Some(key) = &new.dedupe {
            match self.replay(key, now) {
                Some(Ok(known)) => return known.into_iter().next().unwrap_or(Err(DedupeMismatch)),
                Some(Err(OtherBody)) => return Err(DedupeMismatch),
                None => self.keys.keep(key, vec![Ok(new.id)]),
            }
        }
        let due_at = new.not_before.or(new.content.send_at).unwrap_or(now);
        let mut message = Message {
            id: new.id,
            created_at: now,
            content: new.content,
            delivery: Delivery::queued(due_at, new.expires_at),
        };
        // One that is to go later is judged when its time has come.
        let held = self.held(&message.content, now).filter(|_| due_at <= now);
        let stopped = self.is_stopped(&message.content);
        if stopped && due_at <= now {
            message.delivery.park(now);
        }
        // A lease on a gone epoch would belong to nobody.
        let permit = new
            .permit
            .filter(|permit| !stopped && held.is_none() && self.is_current(permit.by()));
        if let Some(permit) = permit {
            message.delivery.take_lease(permit.lease(now));
            leased.push((permit, message.clone()));
        }
        self.insert(message);
        if let Some(Hold::End(reason)) = held {
            self.change(new.id, now, |_, delivery| delivery.suppress(reason));
        }
        let stands = self.moved(new.id);
        Ok(Stored {
            id: new.id,
            status: stands
                .as_ref()
                .map_or(Status::Queued, |stands| stands.status),
            reason: stands.and_then(|stands| stands.reason),
            replayed: false,
        })
    }

    pub(super) fn is_current(&self, by: &NodeEpoch) -> bool {
        self.nodes
            .get(&*by.node)
            .is_some_and(|node| node.epoch == by.epoch)
    }
}
