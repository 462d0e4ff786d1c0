//! The nonces of writes that were refused, stored after the answer, so that a recorded request is not let in after a restart
//! either. It must not keep anybody waiting, nor a store that is away or busy from its work.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::port::{AcceptError, Ledger, Nonce};
use hongyan_courier::time::UnixMs;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// So many are stored at a time; any others are known to this process alone.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(1);

/// Where they are stored.
pub struct RefusedNonces {
    ledger: Arc<dyn Ledger>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl RefusedNonces {
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self {
            ledger,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
        }
    }

    /// Has it stored soon, if there is room.
    pub fn store(&self, nonce: Nonce, now: UnixMs) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let ledger = Arc::clone(&self.ledger);
        self.tasks.spawn(async move {
            match tokio::time::timeout(PATIENCE, ledger.spend(nonce, now)).await {
                Ok(Ok(()) | Err(AcceptError::NonceSeen)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the nonce of a refused request is not stored");
                }
                Err(_) => tracing::debug!("the nonce of a refused request is not stored in time"),
            }
            drop(place);
        });
    }
}
