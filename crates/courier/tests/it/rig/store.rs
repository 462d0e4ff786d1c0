//! The store in memory behind a line that fails on command: away altogether, slow to answer a claim or a settlement, or to hear a call.
//! What was done stays done; it is the way there that breaks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::account::{AccountFlag, Standing};
use hongyan_courier::delivery::{LeaseRef, Look, Settlement};
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, Claim, Claimed, Moved, Queue, Standings, StoreError,
};

/// A store that can be out of reach.
#[derive(Default)]
pub(crate) struct Unsteady {
    pub(crate) inner: Arc<MemoryStore>,
    away: AtomicBool,
    claims_take: Mutex<Duration>,
    accepts_take: Mutex<Duration>,
    settles_take: Mutex<Duration>,
    settles_nothing: AtomicBool,
}

impl Unsteady {
    /// Nothing reaches it from now on.
    pub(crate) fn go_away(&self) {
        self.away.store(true, Ordering::Relaxed);
    }

    pub(crate) fn come_back(&self) {
        self.away.store(false, Ordering::Relaxed);
    }

    /// The answer to a claim is on its way for so long.
    pub(crate) fn claims_take(&self, how_long: Duration) {
        *self.claims_take.lock().unwrap() = how_long;
    }

    /// What is to be stored is on its way to it for so long.
    pub(crate) fn accepts_take(&self, how_long: Duration) {
        *self.accepts_take.lock().unwrap() = how_long;
    }

    /// The answer to a settlement is on its way for so long.
    pub(crate) fn settles_take(&self, how_long: Duration) {
        *self.settles_take.lock().unwrap() = how_long;
    }

    /// Whether it refuses settlements, and nothing else.
    pub(crate) fn settles_nothing(&self, so: bool) {
        self.settles_nothing.store(so, Ordering::Relaxed);
    }

    fn reach(&self) -> Result<&MemoryStore, StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("as told".into()));
        }
        Ok(&self.inner)
    }
}

async fn on_its_way(how_long: &Mutex<Duration>) {
    let how_long = *how_long.lock().unwrap();
    if !how_long.is_zero() {
        tokio::time::sleep(how_long).await;
    }
}

#[async_trait]
impl Queue for Unsteady {
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError> {
        on_its_way(&self.accepts_take).await;
        self.reach()?.accept(call, now).await
    }

    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError> {
        let claimed = self.reach()?.claim(claim, now).await;
        on_its_way(&self.claims_take).await;
        claimed
    }

    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError> {
        self.reach()?.look(lease, now).await
    }

    async fn settle(&self, settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError> {
        let settled = match self.reach() {
            Ok(_) if self.settles_nothing.load(Ordering::Relaxed) => {
                Err(StoreError::Unavailable("as told".into()))
            }
            Ok(store) => store.settle(settlement, now).await,
            Err(away) => Err(away),
        };
        on_its_way(&self.settles_take).await;
        settled
    }

    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError> {
        self.reach()?.release(leases, now).await
    }

    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        self.reach()?.beat(node, known, in_flight, now).await
    }

    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError> {
        self.reach()?.reclaim(silent_since, now).await
    }
}

#[async_trait]
impl Standings for Unsteady {
    async fn standing(&self, account: &AccountName) -> Result<Standing, StoreError> {
        self.reach()?.standing(account).await
    }

    async fn set_standing(
        &self,
        account: &AccountName,
        standing: Standing,
    ) -> Result<(), StoreError> {
        self.reach()?.set_standing(account, standing).await
    }

    async fn flags(
        &self,
        account: &AccountName,
        limit: usize,
    ) -> Result<Vec<AccountFlag>, StoreError> {
        self.reach()?.flags(account, limit).await
    }
}
