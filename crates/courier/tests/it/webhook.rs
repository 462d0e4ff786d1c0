//! Posting events: a webhook that is away costs time and no event, and holds up no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::Clock;
use hongyan_courier::memory::MemoryStore;
use hongyan_courier::message::Message;
use hongyan_courier::port::{Ledger, Queue};
use hongyan_courier::retention::{Keep, Pruner};
use hongyan_courier::webhook::{
    Bell, Event, EventId, EventState, Outbox, Parts, Post, Posted, Sender, Subscription, TOLD,
    TRIES_MAX, Target,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::field::Field;
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::rig::clock::{NOW, PausedClock};
use crate::rig::{ACCOUNT, call, content, seconds};

/// Webhooks that answer as they are told.
#[derive(Default)]
struct Outside {
    answers: Mutex<HashMap<String, Posted>>,
    posted: Mutex<Vec<(String, EventId)>>,
    slow: Mutex<Duration>,
}

impl Outside {
    fn answer(&self, webhook: &str, posted: Posted) {
        self.answers.lock().unwrap().insert(webhook.into(), posted);
    }

    fn posted_to(&self, webhook: &str) -> Vec<EventId> {
        let all = self.posted.lock().unwrap();
        let to = all.iter().filter(|(name, _)| name == webhook);
        to.map(|(_, id)| *id).collect()
    }
}

#[async_trait]
impl Post for Outside {
    async fn post(&self, event: &Event, _message: &Message) -> Posted {
        let slow = *self.slow.lock().unwrap();
        tokio::time::sleep(slow).await;
        let to = event.webhook.clone();
        self.posted.lock().unwrap().push((to, event.id));
        let answers = self.answers.lock().unwrap();
        answers
            .get(&event.webhook)
            .cloned()
            .unwrap_or(Posted::Taken)
    }
}

struct Stage {
    store: MemoryStore,
    outside: Arc<Outside>,
    clock: Arc<PausedClock>,
    bell: Arc<Bell>,
    sender: Arc<Sender>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Stage {
    async fn start(webhooks: &[&str]) -> Self {
        let (store, outside) = (MemoryStore::default(), Arc::<Outside>::default());
        let (clock, bell) = (PausedClock::start(), Arc::<Bell>::default());
        let subscription = |name: &&str| Subscription {
            name: (*name).into(),
            client: "his".into(),
            statuses: TOLD.to_vec(),
            accounts: Vec::new(),
        };
        let all = webhooks.iter().map(subscription).collect();
        store.subscribe(all).await.unwrap();
        let targets = webhooks.iter().map(|name| Target {
            name: (*name).into(),
            concurrency: 4,
        });
        let parts = Parts {
            outbox: Arc::new(store.clone()),
            post: outside.clone(),
            clock: clock.clone(),
            observer: Arc::new(Vec::new()),
            bell: bell.clone(),
        };
        let sender = Sender::new(parts, targets.collect());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(Arc::clone(&sender).run(stop.clone()));
        Self {
            store,
            outside,
            clock,
            bell,
            sender,
            tasks,
            stop,
        }
    }

    /// Moves so many messages, which leaves an event each.
    async fn moves(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            let accepted = self
                .store
                .accept(call([content(ACCOUNT, n)]), self.clock.now());
            let id = accepted.await.unwrap()[0].unwrap().id;
            self.store.cancel(id, None, self.clock.now()).await.unwrap();
        }
        self.bell.ring();
    }

    async fn count(&self, webhook: &str, state: EventState) -> usize {
        let all = self.store.events(webhook, Some(state), None, 1_000);
        all.await.unwrap().len()
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What an operator reads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    fn told(&self) -> Vec<(Level, String)> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
            line.push_str(&format!("{field}={value:?} "));
        });
        let level = *event.metadata().level();
        self.0.lock().unwrap().push((level, line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn away() -> Posted {
    Posted::Unreached("no route".into())
}

#[tokio::test(start_paused = true)]
async fn a_new_event_goes_out_at_once() {
    let stage = Stage::start(&["one"]).await;
    tokio::time::sleep(seconds(10)).await;
    stage.moves(0..20).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(stage.outside.posted_to("one").len(), 20);
    assert_eq!(stage.count("one", EventState::Delivered).await, 20);
    stage.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_away_holds_up_no_other() {
    let stage = Stage::start(&["away", "well"]).await;
    stage.outside.answer("away", away());
    stage.moves(0..50).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.count("well", EventState::Delivered).await, 50);
    assert_eq!(stage.count("away", EventState::Waiting).await, 50);
    stage.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_day_loses_no_event_and_is_no_storm() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let stage = Stage::start(&["one"]).await;
    stage.outside.answer("one", away());
    stage.moves(0..100).await;
    tokio::time::sleep(seconds(24 * 3_600)).await;
    let tried = stage.outside.posted_to("one").len();
    // A probe every five minutes at the longest pause.
    assert!((280..320).contains(&tried), "{tried}");
    assert_eq!(stage.count("one", EventState::Failed).await, 0);
    let condition = stage.sender.condition("one");
    assert!(condition.open_until.is_some());
    let since = condition.failing_since.unwrap();
    assert!(since <= NOW.plus(seconds(1)), "{since:?}");
    assert_eq!(condition.last_error.as_deref(), Some("no route"));
    stage.outside.answer("one", Posted::Taken);
    tokio::time::sleep(seconds(310)).await;
    assert_eq!(stage.count("one", EventState::Delivered).await, 100);
    let condition = stage.sender.condition("one");
    assert_eq!(
        (condition.open_until, condition.failing_since),
        (None, None)
    );
    let told = log.told();
    let opened = told.iter().filter(|(_, line)| line.contains("is failing"));
    let closed = told
        .iter()
        .filter(|(_, line)| line.contains("takes events again"));
    assert!(
        opened.map(|(level, _)| *level).eq([Level::WARN]),
        "{told:?}"
    );
    assert!(
        closed.map(|(level, _)| *level).eq([Level::INFO]),
        "{told:?}"
    );
    stage.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_says_it_is_gone_is_asked_no_more_until_it_is_resumed() {
    let stage = Stage::start(&["one"]).await;
    let refusal = Posted::Refused {
        status: 410,
        retry_after: None,
    };
    stage.outside.answer("one", refusal);
    stage.moves(0..20).await;
    tokio::time::sleep(seconds(24 * 3_600)).await;
    // Those that were under way when the first was refused, and no other.
    assert_eq!(stage.outside.posted_to("one").len(), 4);
    assert_eq!(stage.count("one", EventState::Waiting).await, 20);
    stage.outside.answer("one", Posted::Taken);
    let now = stage.clock.now();
    assert!(stage.store.resume("one", None, now).await.unwrap());
    stage.bell.ring();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(stage.count("one", EventState::Delivered).await, 20);
    stage.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_takes_is_given_up_and_kept() {
    let stage = Stage::start(&["one"]).await;
    let refusal = Posted::Refused {
        status: 400,
        retry_after: None,
    };
    stage.outside.answer("one", refusal);
    stage.moves(0..1).await;
    tokio::time::sleep(seconds(24 * 3_600)).await;
    assert_eq!(stage.outside.posted_to("one").len(), TRIES_MAX as usize);
    assert_eq!(stage.count("one", EventState::Failed).await, 1);
    stage.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_a_moment_for_posts_and_loses_none() {
    let stage = Stage::start(&["one"]).await;
    *stage.outside.slow.lock().unwrap() = seconds(1);
    stage.moves(0..2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = stage.store.clone();
    stage.stopped().await;
    let delivered = store.events("one", Some(EventState::Delivered), None, 10);
    assert_eq!(delivered.await.unwrap().len(), 2);

    let stage = Stage::start(&["one"]).await;
    *stage.outside.slow.lock().unwrap() = seconds(3_600);
    stage.moves(0..2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let store = stage.store.clone();
    stage.stopped().await;
    let later = NOW.plus(seconds(100));
    assert_eq!(store.take("one", 10, later).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_forgotten_so_long_after_it_ended() {
    let stage = Stage::start(&["taken", "given up"]).await;
    let unpostable = Posted::Unpostable("it was forgotten".into());
    stage.outside.answer("given up", unpostable);
    stage.moves(0..600).await;
    tokio::time::sleep(seconds(1)).await;
    let (store, clock) = (stage.store.clone(), stage.clock.clone());
    stage.stopped().await;
    let day = seconds(86_400);
    let keep = Keep {
        delivered_events: 7 * day,
        ..Keep::all(30 * day)
    };
    let pruner = Pruner {
        ledger: Arc::new(store.clone()),
        clock: clock.clone(),
        observer: Arc::new(Vec::new()),
        keep: keep.clone(),
    };
    let kept_at = async |age: Duration| {
        tokio::time::sleep(NOW.plus(age).since(clock.now())).await;
        pruner.round(&CancellationToken::new()).await.unwrap();
        let all = ["taken", "given up"].map(|name| store.events(name, None, None, 1_000));
        let all = futures::future::join_all(all).await;
        all.into_iter()
            .map(|page| page.unwrap().len())
            .collect::<Vec<_>>()
    };
    assert_eq!(kept_at(keep.delivered_events).await, [600, 600]);
    assert_eq!(kept_at(keep.delivered_events + seconds(2)).await, [0, 600]);
    assert_eq!(kept_at(keep.failed_events).await, [0, 600]);
    assert_eq!(kept_at(keep.failed_events + seconds(2)).await, [0, 0]);
}
