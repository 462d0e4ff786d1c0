//! What time does to messages that wait: expiry, closed windows, missing and orphaned receipts, and forgetting.
//! One small batch after another, so that sending is not held up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::observer::{Event, Observer};
use crate::port::{Ledger, StoreError, Sweep};
use crate::time::Clock;
use crate::webhook::Outbox;

/// The pause between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// The most that one transaction moves.
const BATCH: usize = 500;
/// Every how many rounds the old is forgotten.
const PRUNE_EVERY: u32 = 60;

/// Sweeps a store.
pub struct Sweeper {
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// What webhooks are told.
    pub outbox: Arc<dyn Outbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// When what is forgotten.
    pub keep: Keep,
}

/// How long records are kept after their end.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Messages, and what belongs to them.
    pub messages: Duration,
    /// Events that their webhook took.
    pub delivered_events: Duration,
    /// Events that were given up.
    pub failed_events: Duration,
}

impl Sweeper {
    /// Sweeps until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut rounds: u32 = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
            if let Err(error) = self.round(rounds.is_multiple_of(PRUNE_EVERY)).await {
                tracing::warn!(%error, "cannot sweep");
            }
            rounds = rounds.wrapping_add(1);
        }
    }

    /// One round of everything.
    pub async fn round(&self, prune: bool) -> Result<(), StoreError> {
        for what in [
            Sweep::Orphans,
            Sweep::Expired,
            Sweep::ClosedWindows,
            Sweep::MissingReceipts,
        ] {
            while self.sweep(what).await? == BATCH {}
        }
        if prune {
            self.prune().await?;
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = now.minus(self.keep.messages);
        // Nonces are of the wall's time: forgotten too soon, they would let in again what the wall calls fresh anew.
        while self.ledger.prune(before, BATCH, self.clock.wall()).await? >= BATCH {}
        let delivered = now.minus(self.keep.delivered_events);
        let failed = now.minus(self.keep.failed_events);
        let outbox = &self.outbox;
        while outbox.prune_events(delivered, failed, BATCH, now).await? >= BATCH {}
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
