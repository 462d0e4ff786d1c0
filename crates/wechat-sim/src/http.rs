//! The simulator's HTTP face: what its connections share, and the modules that serve them.
//! What a call means is the world's business; this side only carries it.

pub(crate) mod answer;
mod business;
mod carry;
mod control;
mod library;
mod oauth;
mod outage;
mod query;
mod routes;
pub(crate) mod server;
mod subscription;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use crate::clock::SimClock;
use crate::config::ReceiptPolicy;
use crate::fault::{Endpoint, Fault, FaultBook, Trouble};
use crate::receipts::{Push, Receipts};
use crate::world::{FollowerState, World};
use outage::Outage;

/// One running simulator, as its connections, its receipts and its handle see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: SimClock,
    pub(crate) world: Arc<Mutex<World>>,
    faults: Mutex<FaultBook>,
    /// Saves the book's lock while there are no faults.
    troubled: AtomicBool,
    latency: RwLock<Duration>,
    pub(crate) receipts: Receipts,
    outage: Outage,
}

impl Shared {
    pub(crate) fn new(
        clock: SimClock,
        world: World,
        policy: ReceiptPolicy,
        random_seed: u64,
    ) -> Self {
        Self {
            clock,
            world: Arc::new(Mutex::new(world)),
            faults: Mutex::new(FaultBook::new(random_seed)),
            troubled: AtomicBool::new(false),
            latency: RwLock::new(Duration::ZERO),
            receipts: Receipts::new(policy, random_seed),
            outage: Outage::default(),
        }
    }

    /// A panic under the lock has already failed its test; the state is still worth reading.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_fault(&self, fault: Fault) {
        self.faults().add(fault);
        self.troubled.store(true, Ordering::Release);
    }

    pub(crate) fn clear_faults(&self) {
        self.troubled.store(false, Ordering::Release);
        self.faults().clear();
    }

    /// A user did something: the world keeps it in mind, and the account's callback is told, if it has one.
    pub(crate) fn push(&self, appid: &str, openid: &str, push: Push) -> bool {
        let mut world = self.world();
        let Some(account) = world.number_of(appid) else {
            return false;
        };
        match &push {
            Push::Subscribe => world.add_follower(appid, openid, FollowerState::Subscribed),
            Push::Unsubscribe => world.add_follower(appid, openid, FollowerState::Unsubscribed),
            Push::Popup {
                template_id,
                accept,
            } => world.subscribe(appid, openid, template_id, *accept),
            Push::Change { template_id } => world.subscribe(appid, openid, template_id, false),
            Push::Text { .. } => true,
        };
        let told = world.callback(account).is_some();
        drop(world);
        if told {
            self.receipts
                .push(self.clock.now_ms(), account, openid, push);
        }
        true
    }

    pub(crate) fn latency(&self) -> Duration {
        *self.latency.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        *self.latency.write().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    pub(crate) fn troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    fn trouble(&self, endpoint: Endpoint, appid: Option<&str>, openid: Option<&str>) -> Trouble {
        self.faults().choose(endpoint, appid, openid)
    }

    fn faults(&self) -> MutexGuard<'_, FaultBook> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
