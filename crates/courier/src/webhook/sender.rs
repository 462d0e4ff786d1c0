//! Posts what waits, for each webhook in a task of its own, so that one which is slow or away holds up no other.
//! What becomes of an event is `retry`'s to say, and how many may go out is `breaker`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::breaker::Breaker;
use super::retry::RETRY_AFTER_MAX;
use super::{EventId, Outbox, Post, Posted, Taken, Verdict, judge};
use crate::next::Roll;
use crate::observer::{Event, Observer};
use crate::time::Clock;

/// How often it is looked for what is due again. New events wake their webhook at once.
const POLL: Duration = Duration::from_secs(1);
/// How long posts that are under way are waited for at a stop. What is cut off is posted again after the next start.
const LAST_POSTS: Duration = Duration::from_secs(3);

/// A webhook, as far as posting is concerned.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The most posts under way at once.
    pub concurrency: usize,
}

/// What posting is made of.
pub struct Parts {
    /// Where the events are.
    pub outbox: Arc<dyn Outbox>,
    /// The way to the webhooks.
    pub post: Arc<dyn Post>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Rings when there may be something new.
    pub bell: Arc<Bell>,
}

/// Rings when a message moved, since that may have left an event.
#[derive(Debug)]
pub struct Bell(watch::Sender<()>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Bell {
    /// There is something new.
    pub fn ring(&self) {
        self.0.send_replace(());
    }
}

impl Observer for Bell {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::Moved { .. } | Event::Accepted { .. }) {
            self.ring();
        }
    }
}

/// How a webhook fares, as this process saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// While it fails: when it is asked again. None while it is well.
    pub open_until: Option<crate::UnixMs>,
    /// Since when it has taken none; none while it is well.
    pub failing_since: Option<crate::UnixMs>,
    /// What came of the last try that failed; none since one was taken.
    pub last_error: Option<String>,
}

/// Posts events.
pub struct Sender {
    parts: Parts,
    targets: Vec<Target>,
    conditions: Mutex<HashMap<String, Condition>>,
}

/// A try that ended.
struct Ended {
    taken: Taken,
    posted: Posted,
}

/// What one webhook's task holds.
struct Line<'a> {
    sender: &'a Sender,
    target: &'a Target,
    breaker: Breaker,
    under_way: FuturesUnordered<BoxFuture<'a, Ended>>,
    /// Tries that are not recorded yet.
    ended: Vec<(EventId, Verdict)>,
    /// There may be something due.
    look: bool,
}

impl Sender {
    /// A sender to these webhooks.
    #[must_use]
    pub fn new(parts: Parts, targets: Vec<Target>) -> Arc<Self> {
        Arc::new(Self {
            parts,
            targets,
            conditions: Mutex::default(),
        })
    }

    /// How a webhook fares.
    #[must_use]
    pub fn condition(&self, webhook: &str) -> Condition {
        self.conditions().get(webhook).cloned().unwrap_or_default()
    }

    /// Posts until told to stop; what is under way then has a moment to end and be recorded.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let lines = self.targets.iter().map(|target| {
            let line = Line {
                sender: &self,
                target,
                breaker: Breaker::default(),
                under_way: FuturesUnordered::new(),
                ended: Vec::new(),
                look: true,
            };
            line.run(&stop)
        });
        futures::future::join_all(lines).await;
    }

    fn conditions(&self) -> MutexGuard<'_, HashMap<String, Condition>> {
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn try_once(&self, taken: Taken) -> Ended {
        let posted = match &taken.message {
            Some(message) => {
                let then = taken.event.as_it_stood(message);
                self.parts.post.post(&taken.event, &then).await
            }
            None => Posted::Unpostable("its message was forgotten".to_owned()),
        };
        Ended { taken, posted }
    }
}

impl Line<'_> {
    async fn run(mut self, stop: &CancellationToken) {
        let mut bell = self.sender.parts.bell.0.subscribe();
        while !stop.is_cancelled() {
            self.take().await;
            tokio::select! {
                Some(ended) = self.under_way.next() => self.note(ended),
                Ok(()) = bell.changed() => self.look = true,
                () = tokio::time::sleep(POLL) => self.look = true,
                () = stop.cancelled() => {}
            }
            self.note_the_rest().await;
        }
        let end = tokio::time::Instant::now() + LAST_POSTS;
        while let Ok(Some(ended)) = tokio::time::timeout_at(end, self.under_way.next()).await {
            self.note(ended);
            self.note_the_rest().await;
        }
    }

    /// Takes note of what else ended meanwhile, and writes it all down at once.
    async fn note_the_rest(&mut self) {
        while let Some(Some(ended)) = self.under_way.next().now_or_never() {
            self.note(ended);
        }
        self.record().await;
    }

    /// Takes out what is due, for the posts that may begin now.
    async fn take(&mut self) {
        let now = self.sender.parts.clock.now();
        let room = self.breaker.room(self.target.concurrency, now);
        let room = room.saturating_sub(self.under_way.len());
        if room == 0 || !self.look {
            return;
        }
        let name = &self.target.name;
        match self.sender.parts.outbox.take(name, room, now).await {
            Ok(taken) => {
                // Fewer than asked for are all there are; with the last of more, one looks again.
                self.look = taken.len() == room;
                for one in taken {
                    self.under_way.push(self.sender.try_once(one).boxed());
                }
            }
            Err(error) => {
                self.look = false;
                tracing::warn!(webhook = %name, %error, "cannot look for events");
            }
        }
    }

    fn note(&mut self, Ended { taken, posted }: Ended) {
        let parts = &self.sender.parts;
        let (name, now) = (&self.target.name, parts.clock.now());
        let verdict = judge(taken.begun_at, taken.tries, &posted, now, Roll::draw());
        let mut opened = false;
        match (&verdict, &posted) {
            // The store lets nothing out to one that is gone; once it is resumed, it begins anew.
            (Verdict::Gone { .. }, _) => {
                self.breaker.well();
            }
            (Verdict::Delivered, _) => {
                if self.breaker.well() {
                    tracing::info!(webhook = %name, "a webhook takes events again");
                }
            }
            // It says nothing of the webhook.
            (_, Posted::Unpostable(_)) => {}
            (_, posted) => {
                opened = self.breaker.failed(now);
                if let Posted::Refused {
                    retry_after: Some(wait),
                    ..
                } = posted
                {
                    self.breaker.pause(now.plus(RETRY_AFTER_MAX.min(*wait)));
                }
            }
        }
        let why = match &verdict {
            Verdict::Delivered => None,
            Verdict::Gone { why } => {
                tracing::warn!(webhook = %name, event = %taken.event.id, why, "a webhook is switched off until it is resumed");
                Some(why.clone())
            }
            Verdict::Again { why, .. } => {
                tracing::debug!(webhook = %name, event = %taken.event.id, why, "an event was not taken");
                Some(why.clone())
            }
            Verdict::GivenUp { why } => {
                tracing::warn!(webhook = %name, event = %taken.event.id, why, "an event is given up");
                Some(why.clone())
            }
        };
        if opened {
            let why = why.as_deref().unwrap_or_default();
            tracing::warn!(webhook = %name, why, "a webhook is failing: one event at a time is tried until one is taken");
        }
        let condition = Condition {
            open_until: self.breaker.is_open(),
            failing_since: self.breaker.failing_since(),
            last_error: why,
        };
        self.sender.conditions().insert(name.clone(), condition);
        parts.observer.webhook_tried(name, &verdict);
        self.ended.push((taken.event.id, verdict));
        // Room was made.
        self.look = true;
    }

    /// Writes down what became of the tries. If it cannot be, it is tried again; an event whose end is never written is
    /// posted once more, under the same id.
    async fn record(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let now = self.sender.parts.clock.now();
        let tries = self.ended.clone();
        match self.sender.parts.outbox.tried(tries, now).await {
            Ok(()) => self.ended.clear(),
            Err(error) => {
                tracing::warn!(webhook = %self.target.name, %error, "cannot record tries");
            }
        }
    }
}
