//! The store as a map in memory: the adapter that passes the conformance suites first, for tests and benches.
//! It applies the pure steps of `delivery` and decides nothing itself. It is not durable.

mod accept;
mod audit;
mod broadcasts;
mod dead_letters;
mod forgetting;
mod jobs;
mod keys;
mod outbox;
mod prune;
mod recipients;
mod records;
mod state;
mod templates;
mod virtual_tokens;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::account::{AccountFlag, Standing};
use crate::delivery::{CancelRefused, Cancelled, LeaseRef, Look, RetryRefused, Settlement};
use crate::message::{AccountName, Message, MessageId};
use crate::port::quota::QuotaBook;
use crate::port::{
    Accept, AcceptError, Accepted, ChangeError, Claim, Claimed, Depth, Filter, Ledger, Moved,
    Nonce, Queue, Standings, StoreError, Sweep, Swept,
};
use crate::quota::QuotaRecord;
use crate::receipt::{NewReceipt, ReceiptTaken};
use crate::retention::Old;
use crate::time::UnixMs;
use crate::webhook::{
    Again, Backlog, EventId, EventState, Kept, Outbox, Subscription, Taken, Verdict,
};
use state::State;

/// A store in memory; clones share it, as two nodes share a database.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for MemoryStore {
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError> {
        let stored = self.state().accept(call, now)?;
        for (permit, message) in stored.leased {
            permit.hand_over(message);
        }
        Ok(stored.accepted)
    }

    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError> {
        Ok(self.state().claim(&claim, now))
    }

    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError> {
        Ok(self.state().look(lease, now))
    }

    async fn settle(&self, settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError> {
        Ok(self.state().settle(&settlement, now))
    }

    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError> {
        let mut state = self.state();
        for lease in leases {
            state.release(lease, now);
        }
        Ok(())
    }

    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        Ok(self.state().beat(node, known, &in_flight, now))
    }

    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError> {
        Ok(self.state().reclaim(silent_since, now))
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn find(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        Ok(self.state().find(id))
    }

    async fn page(&self, filter: Filter, limit: usize) -> Result<Vec<Message>, StoreError> {
        Ok(self.state().page(&filter, limit))
    }

    async fn cancel(
        &self,
        id: MessageId,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Cancelled, ChangeError<CancelRefused>> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(ChangeError::NonceSeen);
        }
        let cancelled = state.cancel(id, now)?;
        state.note(nonce.as_ref());
        Ok(cancelled)
    }

    async fn retry(
        &self,
        id: MessageId,
        force: bool,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Moved, ChangeError<RetryRefused>> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(ChangeError::NonceSeen);
        }
        let moved = state.retry(id, force, now)?;
        state.note(nonce.as_ref());
        Ok(moved)
    }

    async fn receive(
        &self,
        receipt: NewReceipt,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<ReceiptTaken, AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        Ok(state.receive(receipt, now))
    }

    async fn spend(&self, nonce: Nonce, _now: UnixMs) -> Result<(), AcceptError> {
        let mut state = self.state();
        if !state.spend(Some(&nonce)) {
            return Err(AcceptError::NonceSeen);
        }
        state.note(Some(&nonce));
        Ok(())
    }

    async fn sweep(
        &self,
        what: Sweep,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Swept>, StoreError> {
        Ok(self.state().sweep(what, limit, now))
    }

    async fn prune(&self, what: Old, before: UnixMs, limit: usize) -> Result<usize, StoreError> {
        Ok(self.state().prune(what, before, limit))
    }

    async fn depths(&self, now: UnixMs) -> Result<Vec<Depth>, StoreError> {
        Ok(self.state().depths(now))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Standings for MemoryStore {
    async fn standing(&self, account: &AccountName) -> Result<Standing, StoreError> {
        Ok(self.state().standing(account))
    }

    async fn set_standing(
        &self,
        account: &AccountName,
        standing: Standing,
    ) -> Result<(), StoreError> {
        self.state().set_standing(account, standing);
        Ok(())
    }

    async fn flags(
        &self,
        account: &AccountName,
        limit: usize,
    ) -> Result<Vec<AccountFlag>, StoreError> {
        Ok(self.state().flags(account, limit))
    }
}

#[async_trait]
impl QuotaBook for MemoryStore {
    async fn quota(&self, account: &AccountName) -> Result<QuotaRecord, StoreError> {
        Ok(self.state().quota(account))
    }

    async fn set_quota(
        &self,
        account: &AccountName,
        record: QuotaRecord,
    ) -> Result<(), StoreError> {
        self.state().set_quota(account, record);
        Ok(())
    }

    async fn queued_before(
        &self,
        account: &AccountName,
        until: UnixMs,
    ) -> Result<[u64; 3], StoreError> {
        Ok(self.state().queued_before(account, until))
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn subscribe(&self, webhooks: Vec<Subscription>) -> Result<(), StoreError> {
        self.state().outbox.webhooks = webhooks;
        Ok(())
    }

    async fn take(
        &self,
        webhook: &str,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Taken>, StoreError> {
        Ok(self.state().take_events(webhook, limit, now))
    }

    async fn tried(&self, tries: Vec<(EventId, Verdict)>, now: UnixMs) -> Result<(), StoreError> {
        self.state().outbox.tried(tries, now);
        Ok(())
    }

    async fn resume(
        &self,
        webhook: &str,
        nonce: Option<Nonce>,
        _now: UnixMs,
    ) -> Result<bool, AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        state.note(nonce.as_ref());
        Ok(state.outbox.resume(webhook))
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError> {
        Ok(self.state().outbox.backlogs())
    }

    async fn events(
        &self,
        webhook: &str,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError> {
        Ok(self.state().outbox.page(webhook, state, before, limit))
    }

    async fn post_again(
        &self,
        webhook: &str,
        which: Again,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<usize, AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        let State { outbox, rows, .. } = &mut *state;
        let is_there = |id| rows.contains_key(&id);
        let again = outbox.post_again(webhook, which, limit, is_there, now);
        state.note(nonce.as_ref());
        Ok(again)
    }
}
