//! Forgetting goes on beside the sending: small batches with pauses between them, all kinds by turns, until nothing old is
//! left or the node stops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::Clock;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::Status;
use hongyan_courier::observer::{Event, Observer};
use hongyan_courier::port::{AcceptError, Filter, Ledger, Nonce, Queue};
use hongyan_courier::retention::{ENDS, Keep, Old, Pruner};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rig::clock::PausedClock;
use crate::rig::{ACCOUNT, call, content, seconds};

const DAY: Duration = Duration::from_secs(86_400);

/// Remembers what went.
#[derive(Default)]
struct Watcher(Mutex<Vec<(Old, usize)>>);

impl Observer for Watcher {
    fn observe(&self, _: &Event) {}

    fn pruned(&self, what: Old, count: usize) {
        self.0.lock().unwrap().push((what, count));
    }
}

struct World {
    store: MemoryStore,
    clock: Arc<PausedClock>,
    watcher: Arc<Watcher>,
}

impl World {
    fn new() -> Self {
        Self {
            store: MemoryStore::default(),
            clock: PausedClock::start(),
            watcher: Arc::default(),
        }
    }

    fn pruner(&self, keep: Keep) -> Pruner {
        Pruner {
            ledger: Arc::new(self.store.clone()),
            clock: self.clock.clone(),
            observer: self.watcher.clone(),
            keep,
        }
    }

    async fn cancelled(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            let accepted = self
                .store
                .accept(call([content(ACCOUNT, n)]), self.clock.now());
            let id = accepted.await.unwrap()[0].unwrap().id;
            self.store.cancel(id, None, self.clock.now()).await.unwrap();
        }
    }

    async fn spend(&self, n: usize) -> Result<(), AcceptError> {
        let nonce = Nonce {
            owner: "his".to_owned(),
            nonce: format!("n{n}"),
            expires_at: self.clock.now().plus(seconds(600)),
            body: None,
            act: None,
        };
        self.store.spend(nonce, self.clock.now()).await
    }

    async fn left(&self) -> usize {
        let page = self.store.page(Filter::default(), 10_000).await;
        page.unwrap().len()
    }

    fn pruned(&self) -> Vec<(Old, usize)> {
        self.watcher.0.lock().unwrap().clone()
    }
}

/// Cancelled messages go after two days, all else after ninety.
fn two_days_for_cancelled() -> Keep {
    let mut keep = Keep::all(90 * DAY);
    let nth = ENDS.iter().position(|status| *status == Status::Cancelled);
    keep.messages[nth.unwrap()] = 2 * DAY;
    keep
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_forgotten_in_small_batches_with_pauses() {
    let world = World::new();
    world.cancelled(0..1_000).await;
    tokio::time::sleep(2 * DAY + seconds(1)).await;
    world.cancelled(1_000..1_010).await;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let (pruner, token) = (world.pruner(two_days_for_cancelled()), stop.clone());
    tasks.spawn(async move { pruner.run(token).await });
    let moment = Duration::from_millis(1);
    tokio::time::sleep(moment).await;
    for left in [810, 610, 410, 210, 10] {
        assert_eq!(world.left().await, left);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What becomes old later goes in a later round.
    tokio::time::sleep(2 * DAY + seconds(60)).await;
    assert_eq!(world.left().await, 0);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn no_backlog_lets_another_grow() {
    let world = World::new();
    world.cancelled(0..1_000).await;
    for n in 0..600 {
        world.spend(n).await.unwrap();
    }
    tokio::time::sleep(3 * DAY).await;
    let pruner = world.pruner(two_days_for_cancelled());
    pruner.round(&CancellationToken::new()).await.unwrap();
    let cancelled = Old::Messages(Status::Cancelled);
    let first = [
        (Old::Nonces, 500),
        (cancelled, 200),
        (Old::Nonces, 100),
        (cancelled, 200),
    ];
    let pruned = world.pruned();
    assert_eq!(pruned[..4], first, "by turns");
    let messages: usize = pruned
        .iter()
        .filter(|(what, _)| *what == cancelled)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(messages, 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_backlog() {
    let world = World::new();
    world.cancelled(0..1_000).await;
    tokio::time::sleep(3 * DAY).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let pruner = world.pruner(two_days_for_cancelled());
    pruner.run(stop).await;
    assert!(world.left().await >= 800, "one batch at the most");
}
