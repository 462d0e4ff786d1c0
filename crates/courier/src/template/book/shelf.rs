//! What is known of one account's lists, who waits for a fetch of them, and what unknown ids have cost so far.
//! It must not fetch anything.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Notify, watch};

use super::Outcome;
use super::denied::Denied;
use super::known::{Known, Lookup};
use super::ration::Ration;
use crate::kind::ListOf;
use crate::message::Kind;
use crate::time::UnixMs;

/// What is kept of one account in memory.
pub(super) struct Shelf {
    known: RwLock<Arc<Known>>,
    /// How often a fetch was asked for.
    pub(super) asked: AtomicU64,
    pub(super) wanted: Notify,
    pub(super) outcome: watch::Sender<Outcome>,
    ration: Mutex<Ration>,
    denied: Mutex<Denied>,
}

impl Shelf {
    pub(super) fn new(known: Known, outcome: Outcome) -> Self {
        Self {
            known: RwLock::new(Arc::new(known)),
            asked: AtomicU64::new(0),
            wanted: Notify::new(),
            outcome: watch::Sender::new(outcome),
            ration: Mutex::new(Ration::full()),
            denied: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> Arc<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&known)
    }

    /// Takes over what is stored by now. That a list could not be fetched stands, but for one that just was.
    pub(super) fn renew(&self, mut stored: Known, fetched: Option<ListOf>) {
        let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for of in ListOf::ALL.iter().filter(|of| Some(**of) != fetched) {
            let failure = place.list(*of).and_then(|list| list.failure.clone());
            failure.into_iter().for_each(|why| stored.fail(*of, why));
        }
        *place = Arc::new(stored);
    }

    pub(super) fn denied(&self) -> MutexGuard<'_, Denied> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the lists may be fetched for the sake of an unknown id.
    pub(super) fn may_look(&self, now: UnixMs) -> bool {
        let ration = self.ration.lock();
        ration.unwrap_or_else(PoisonError::into_inner).take(now)
    }

    /// Remembers which of these a list that was just fetched does not have.
    pub(super) fn deny(&self, wanted: &[(Kind, &str)], now: UnixMs) {
        let (known, mut denied) = (self.known(), self.denied());
        for (kind, id) in wanted {
            if let Some(of) = kind.traits().list
                && matches!(known.look_up(*kind, id), Lookup::Unknown)
            {
                denied.add(of, id, now);
            }
        }
    }

    /// What was known of a list stands, but it is not known to be all.
    pub(super) fn failed(&self, of: ListOf, why: String) {
        // In one go, else a list that came meanwhile would be forgotten again.
        let mut place = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = Known::clone(&place);
        known.fail(of, why);
        *place = Arc::new(known);
    }
}
