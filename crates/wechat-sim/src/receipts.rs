//! Receipts: the events that WeChat posts back after a send, queued until due and delivered up to three times.
//! It is told of accepted messages; it never decides about one.

mod deliver;
mod event;
mod queue;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Mutex as TurnMutex, Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SimClock;
use crate::config::ReceiptPolicy;
use crate::http::Shared;
use crate::world::Accepted;
pub(crate) use queue::About;
pub use queue::Push;
use queue::{Pending, Queue};

/// How receipts fared so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReceiptTally {
    /// Waiting for their time, or for another attempt.
    pub pending: u64,
    /// Posts made, repeats included.
    pub posted: u64,
    /// Answered as WeChat wants it.
    pub answered: u64,
    /// Dropped by policy, never posted.
    pub lost: u64,
    /// Not answered three times, or without a callback by then.
    pub given_up: u64,
}

#[derive(Debug)]
pub(crate) struct Receipts {
    queue: Mutex<Queue>,
    /// The queue's head or the clock changed.
    changed: Notify,
    /// Held by the one worker that waits for the head of the queue.
    turn: TurnMutex<()>,
    posted: AtomicU64,
    answered: AtomicU64,
    given_up: AtomicU64,
    /// How many answers took so many milliseconds; the last counts all that took longer.
    answer_ms: Mutex<Vec<u64>>,
}

/// As long as an answer is waited for usually.
const ANSWER_MS_MAX: usize = 5_000;

impl Receipts {
    pub(crate) fn new(policy: ReceiptPolicy, random_seed: u64) -> Self {
        Self {
            queue: Mutex::new(Queue::new(policy, random_seed)),
            changed: Notify::new(),
            turn: TurnMutex::new(()),
            posted: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            answer_ms: Mutex::new(vec![0; ANSWER_MS_MAX + 1]),
        }
    }

    /// Plans what follows an accepted message. The receiver, if any, must be waited for before the send is answered.
    pub(crate) fn plan(
        &self,
        now_ms: i64,
        accepted: &Accepted,
        openid: &str,
        about: About,
    ) -> Option<oneshot::Receiver<()>> {
        let planned = self.queue().plan(now_ms, accepted, openid, about);
        if planned.head_changed {
            self.changed.notify_one();
        }
        planned.hold
    }

    /// Something that a user did is pushed at once.
    pub(crate) fn push(&self, now_ms: i64, account: usize, openid: &str, push: Push) {
        if self.queue().push(now_ms, account, openid, push) {
            self.changed.notify_one();
        }
    }

    pub(crate) fn set_policy(&self, policy: ReceiptPolicy) {
        self.queue().policy = policy;
    }

    /// The clock has jumped.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn tally(&self) -> ReceiptTally {
        let queue = self.queue();
        ReceiptTally {
            pending: queue.len() as u64,
            posted: self.posted.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            lost: queue.lost,
            given_up: self.given_up.load(Ordering::Relaxed),
        }
    }

    /// In WeChat's words, what was said first of a message; none if its receipt was lost.
    pub(crate) fn said(&self, msgid: i64) -> Option<&'static str> {
        self.queue().said(msgid).map(queue::Status::text)
    }

    fn took(&self, answer: Duration) {
        let ms = usize::try_from(answer.as_millis()).unwrap_or(ANSWER_MS_MAX);
        self.answer_ms()[ms.min(ANSWER_MS_MAX)] += 1;
    }

    /// Within which time this share of the answers came, to the millisecond.
    pub(crate) fn answered_within(&self, share: f64) -> Duration {
        let counts = self.answer_ms();
        let all: u64 = counts.iter().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        let wanted = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Duration::from_millis(reached.map_or(0, |ms| ms as u64 + 1))
    }

    fn answer_ms(&self) -> MutexGuard<'_, Vec<u64>> {
        self.answer_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the head of the queue is due and takes it. One worker waits, the others wait for their turn.
    async fn next(&self, clock: &SimClock) -> Pending {
        let _turn = self.turn.lock().await;
        loop {
            let wait_ms = match self.queue().take_due(clock.now_ms()) {
                Ok(pending) => return pending,
                Err(wait_ms) => wait_ms.filter(|_| !clock.is_frozen()),
            };
            let due = async {
                match wait_ms {
                    Some(wait_ms) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn put_back(&self, pending: Pending) {
        if self.queue().put_back(pending) {
            self.changed.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the workers that deliver; each keeps one connection alive.
pub(crate) fn run(shared: &Arc<Shared>, tasks: &TaskTracker, stop: &CancellationToken) {
    let workers = shared.receipts.queue().policy.concurrency.max(1);
    for _ in 0..workers {
        tasks.spawn(deliver::work(
            Arc::clone(shared),
            tasks.clone(),
            stop.clone(),
        ));
    }
}
