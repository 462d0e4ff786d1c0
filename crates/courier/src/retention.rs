//! Forgetting: how long what is over is kept, and the task that deletes it, a small batch at a time, so that sending goes on
//! in between. A record is forgotten for its own age and for nothing else. Which rows a batch is made of is the store's.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::message::Status;
use crate::observer::Observer;
use crate::port::{Ledger, StoreError};
use crate::time::{Clock, UnixMs};
use crate::webhook::{ABANDONED_AFTER, EventState, TOLD};

/// The pause between two rounds.
const ROUND: Duration = Duration::from_secs(60);
/// After a batch the store is left alone for so many times as long as the batch took, and for this long at the least: however
/// much is old, forgetting has a quarter of the writer's time at the most.
const PAUSE_FACTOR: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Where a message can stand when nothing more is awaited: at an end, or accepted by WeChat for an account without receipts.
pub const ENDS: [Status; 7] = TOLD;

/// Records of one kind that are old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Messages that ended here, with their msgids.
    Messages(Status),
    /// Receipts that found their message.
    Receipts,
    /// Receipts that found none: another program sends from the same account.
    OrphanReceipts,
    /// Nonces that were spent, by the moment that they carry.
    Nonces,
    /// Callers' keys, by the moment that they carry.
    Keys,
    /// Suppressions, by when they ran out.
    Suppressions,
    /// Recipients of whom nothing [decides any more](crate::recipient::Recipient::idle_since), with their credits.
    Recipients,
    /// What was flagged of recipients. What was flagged of accounts and templates stays.
    Flags,
    /// What happened to templates.
    TemplateHistory,
    /// Broadcasts that ended, with their bad rows. Those that nobody ever started are ended first.
    Broadcasts,
    /// Webhook events that stand so: by when they ended or, if they wait, by when they were due.
    Events(EventState),
}

impl Old {
    /// As metrics call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages(_) => "messages",
            Self::Receipts => "receipts",
            Self::OrphanReceipts => "orphan_receipts",
            Self::Nonces => "nonces",
            Self::Keys => "idempotency_keys",
            Self::Suppressions => "suppressions",
            Self::Recipients => "recipients",
            Self::Flags => "flags",
            Self::TemplateHistory => "template_history",
            Self::Broadcasts => "broadcasts",
            Self::Events(_) => "webhook_events",
        }
    }

    /// The most that one batch takes: fewer of what is in many indexes.
    #[must_use]
    pub const fn batch(self) -> usize {
        match self {
            Self::Messages(_) | Self::Recipients | Self::Broadcasts => 200,
            _ => 500,
        }
    }
}

/// How long what is over is kept.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Messages, by where they ended; in the order of [`ENDS`].
    pub messages: [Duration; ENDS.len()],
    /// Receipts, by which a repeat is known again.
    pub receipts: Duration,
    /// Receipts that wait for a message.
    pub orphan_receipts: Duration,
    /// Recipients of whom nothing decides any more, and what was flagged of them.
    pub recipients: Duration,
    /// What happened to templates.
    pub template_history: Duration,
    /// Broadcasts.
    pub broadcasts: Duration,
    /// Events that their webhook took.
    pub delivered_events: Duration,
    /// Events that were given up.
    pub failed_events: Duration,
}

impl Keep {
    /// Everything for the same time.
    #[must_use]
    pub const fn all(time: Duration) -> Self {
        Self {
            messages: [time; ENDS.len()],
            receipts: time,
            orphan_receipts: time,
            recipients: time,
            template_history: time,
            broadcasts: time,
            delivered_events: time,
            failed_events: time,
        }
    }

    /// What there is to forget, and what of it is old by now. Nonces and keys are of the wall's time: forgotten too soon, they
    /// would let in again what the wall calls fresh anew.
    fn old(&self, now: UnixMs, wall: UnixMs) -> Vec<(Old, UnixMs)> {
        let messages = ENDS.into_iter().zip(self.messages);
        let messages = messages.map(|(status, time)| (Old::Messages(status), now.minus(time)));
        let others = [
            (Old::Nonces, wall),
            (Old::Keys, wall),
            (Old::Receipts, now.minus(self.receipts)),
            (Old::OrphanReceipts, now.minus(self.orphan_receipts)),
            (Old::Suppressions, now),
            (Old::Recipients, now.minus(self.recipients)),
            (Old::Flags, now.minus(self.recipients)),
            (Old::TemplateHistory, now.minus(self.template_history)),
            (Old::Broadcasts, now.minus(self.broadcasts)),
            (
                Old::Events(EventState::Delivered),
                now.minus(self.delivered_events),
            ),
            (
                Old::Events(EventState::Failed),
                now.minus(self.failed_events),
            ),
            // Nobody asks for them: their webhook is configured no more.
            (Old::Events(EventState::Waiting), now.minus(ABANDONED_AFTER)),
        ];
        others.into_iter().chain(messages).collect()
    }
}

/// Forgets what is old.
pub struct Pruner {
    /// The store.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// How long what is over is kept.
    pub keep: Keep,
}

impl Pruner {
    /// Forgets until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.round(&stop).await {
                tracing::warn!(%error, "cannot forget what is old");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// Forgets all that is old by now, or as much as it can until told to stop. All kinds come by turns, a batch each, so that
    /// no backlog of one lets another grow; what cannot be forgotten holds up no other. Answers what went wrong last.
    pub async fn round(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut result = Ok(());
        let mut left = self.keep.old(self.clock.now(), self.clock.wall());
        while !left.is_empty() {
            let mut full = Vec::new();
            for (what, before) in left {
                match self.batch(what, before, stop).await {
                    Ok(gone) if gone >= what.batch() => full.push((what, before)),
                    Ok(_) => {}
                    Err(error) => result = Err(error),
                }
                if stop.is_cancelled() {
                    return result;
                }
            }
            left = full;
        }
        result
    }

    /// Forgets one batch, and then leaves the store to others. Answers how many records went.
    async fn batch(
        &self,
        what: Old,
        before: UnixMs,
        stop: &CancellationToken,
    ) -> Result<usize, StoreError> {
        let began = Instant::now();
        let gone = self.ledger.prune(what, before, what.batch()).await?;
        if gone > 0 {
            self.observer.pruned(what, gone);
            let pause = pause_after(began.elapsed());
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(gone)
    }
}

/// How long the store is left alone after a batch that took so long.
fn pause_after(took: Duration) -> Duration {
    PAUSE_MIN.max(took * PAUSE_FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgetting_has_a_quarter_of_the_time_at_the_most() {
        assert_eq!(pause_after(Duration::ZERO), PAUSE_MIN);
        let took = Duration::from_millis(200);
        assert_eq!(pause_after(took), Duration::from_millis(600));
    }

    #[test]
    fn each_kind_is_kept_for_its_own_time_and_what_the_wall_dates_is_judged_by_the_wall() {
        let seconds = Duration::from_secs;
        let keep = Keep {
            messages: [1, 2, 3, 4, 5, 6, 7].map(seconds),
            receipts: seconds(8),
            orphan_receipts: seconds(9),
            recipients: seconds(10),
            template_history: seconds(11),
            broadcasts: seconds(12),
            delivered_events: seconds(13),
            failed_events: seconds(14),
        };
        let (now, wall) = (UnixMs(1_795_400_000_000), UnixMs(1_795_300_000_000));
        let old = keep.old(now, wall);
        let aged = |what, age| (what, now.minus(seconds(age)));
        let mut expected = vec![
            (Old::Nonces, wall),
            (Old::Keys, wall),
            aged(Old::Suppressions, 0),
            aged(Old::Receipts, 8),
            aged(Old::OrphanReceipts, 9),
            aged(Old::Recipients, 10),
            aged(Old::Flags, 10),
            aged(Old::TemplateHistory, 11),
            aged(Old::Broadcasts, 12),
            aged(Old::Events(EventState::Delivered), 13),
            aged(Old::Events(EventState::Failed), 14),
            aged(Old::Events(EventState::Waiting), 7 * 86_400),
        ];
        let messages = [
            Status::Sent,
            Status::Delivered,
            Status::Failed,
            Status::Suppressed,
            Status::Cancelled,
            Status::Expired,
            Status::Unconfirmed,
        ];
        expected.extend(
            (1..)
                .zip(messages)
                .map(|(age, status)| aged(Old::Messages(status), age)),
        );
        assert_eq!(old.len(), expected.len());
        for one in expected {
            assert!(old.contains(&one), "{one:?} is not in {old:?}");
        }
    }
}
