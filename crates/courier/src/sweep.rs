//! What time does to messages that wait: expiry, closed windows, missing and orphaned receipts.
//! One small batch after another, so that sending is not held up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::observer::{Event, Observer};
use crate::port::{Ledger, StoreError, Sweep};
use crate::time::Clock;

/// The pause between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// The most that one transaction moves.
const BATCH: usize = 500;

/// Sweeps a store.
pub struct Sweeper {
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

impl Sweeper {
    /// Sweeps until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "cannot sweep");
            }
        }
    }

    /// One round of everything.
    pub async fn round(&self) -> Result<(), StoreError> {
        for what in [
            Sweep::Orphans,
            Sweep::Expired,
            Sweep::ClosedWindows,
            Sweep::MissingReceipts,
        ] {
            while self.sweep(what).await? == BATCH {}
        }
        Ok(())
    }

    async fn sweep(&self, what: Sweep) -> Result<usize, StoreError> {
        let swept = self.ledger.sweep(what, BATCH, self.clock.now()).await?;
        for one in &swept {
            self.observer.observe(&Event::Moved {
                id: one.id,
                account: one.account.clone(),
                status: one.status,
                reason: one.reason,
                msgid: None,
            });
        }
        Ok(swept.len())
    }
}
