//! Promises of `accept` about permits: a message with a free slot is stored leased, and the store hands it over itself.
//! The slots are a real dispatcher's; WeChat is one that takes everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fixture::{ACCOUNT, NODE, NOW, POLICY, call, content, key, new};
use super::{Adapter, Stores};
use crate::dispatch::{Dispatch, Parts, Permit, Slots};
use crate::message::{AccountName, Reason, Status};
use crate::observer::Observer;
use crate::port::{Accept, Granted, NewMessage, SendCall, TokenMode, Upstream};
use crate::rate::MemoryLimiter;
use crate::time::{Clock, UnixMs};
use crate::token::{Habit, Keeper, MemoryTokenCache};

/// A WeChat that takes everything.
#[derive(Default)]
struct Generous {
    taken: AtomicUsize,
}

#[async_trait]
impl Upstream for Generous {
    async fn send(&self, _: SendCall) -> Result<Option<i64>, CallError> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(i64::try_from(before).ok())
    }

    async fn fetch_token(&self, _: &AccountName, _: TokenMode) -> Result<Granted, CallError> {
        Ok(Granted {
            secret: AccessToken::new("t1"),
            expires_in: Duration::from_secs(7_200),
        })
    }
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> UnixMs {
        NOW
    }
}

/// A dispatcher at work on a store, with two slots.
struct Working {
    dispatch: Arc<Dispatch>,
    upstream: Arc<Generous>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Working {
    async fn on(stores: &Stores) -> Self {
        let account = AccountName::from(ACCOUNT);
        let upstream = Arc::new(Generous::default());
        let clock: Arc<dyn Clock> = Arc::new(StoppedClock);
        let observer: Arc<dyn Observer> = Arc::new(Vec::new());
        let fetched = CancellationToken::new();
        let ready = fetched.clone();
        let keeper = Keeper::open(
            crate::token::Parts {
                cache: Arc::new(MemoryTokenCache::default()),
                upstream: upstream.clone(),
                standings: stores.standings.clone(),
                clock: clock.clone(),
                observer: observer.clone(),
                ready: Arc::new(move || ready.cancel()),
            },
            [(
                account.clone(),
                Habit {
                    mode: TokenMode::Stable,
                    probe: Duration::from_secs(60),
                },
            )],
        );
        let keeper = keeper.await.unwrap();
        keeper.clone().keep(account.clone(), fetched).await;
        let dispatch = Dispatch::new(Parts {
            queue: stores.queue.clone(),
            upstream: upstream.clone(),
            keeper,
            limiter: Arc::new(MemoryLimiter::default()),
            clock,
            observer,
            slots: Slots::new(2, [(account, 2)]),
            policy: Arc::new(|_| POLICY),
            node: NODE.into(),
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(dispatch.clone().run(stop.clone(), Duration::from_secs(5)));
        Self {
            dispatch,
            upstream,
            tasks,
            stop,
        }
    }

    /// A permit, as soon as the dispatcher has seen that nothing older waits.
    async fn permit(&self, openid: &str) -> Permit {
        let permit = || self.dispatch.permit(&content(openid), NOW);
        eventually(async || permit()).await
    }

    async fn finish(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn taken(&self) -> usize {
        self.upstream.taken.load(Ordering::Relaxed)
    }
}

/// Asks until there is an answer, for a few seconds of the machine's time: a store may have threads of its own.
async fn eventually<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..5_000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it did not come about");
}

async fn is_sent(stores: &Stores, id: crate::message::MessageId) {
    eventually(async || (stores.status(id).await == Status::Sent).then_some(())).await;
}

fn permitted(openid: &str, permit: Permit) -> NewMessage {
    NewMessage {
        permit: Some(permit),
        ..new(content(openid), NOW)
    }
}

pub async fn a_message_with_a_permit_is_stored_leased_and_handed_over<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let working = Working::on(&stores).await;
    let permit = working.permit("o1").await;
    let taken = stores.take(call(vec![permitted("o1", permit)]), NOW).await;
    let stored = taken[0].unwrap();
    assert_eq!(stored.status, Status::Sending);
    is_sent(&stores, stored.id).await;
    assert_eq!(working.taken(), 1);
    working.finish().await;
}

pub async fn a_permit_of_a_gone_epoch_leaves_its_message_queued<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let working = Working::on(&stores).await;
    let permit = working.permit("o1").await;
    stores.join(NODE, NOW).await;
    let taken = stores.take(call(vec![permitted("o1", permit)]), NOW).await;
    assert_eq!(taken[0].unwrap().status, Status::Queued);
    let message = stores.message(taken[0].unwrap().id).await;
    assert_eq!(message.delivery.lease, None);
    assert_eq!(working.taken(), 0);
    // The permit's slot and recipient are free again.
    drop(working.permit("o1").await);
    working.finish().await;
}

pub async fn a_permit_for_a_stopped_template_leaves_its_message_aside<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let working = Working::on(&stores).await;
    let permit = working.permit("o1").await;
    let account = AccountName::from(ACCOUNT);
    let template = content("o1").template_id;
    for text in ["{{thing1.DATA}}", "{{time1.DATA}}"] {
        let listed = hongyan_wechat::template::Template {
            template_id: template.clone(),
            content: text.into(),
            title: String::new(),
            primary_industry: String::new(),
            deputy_industry: String::new(),
            example: String::new(),
        };
        let list = vec![listed.into()];
        stores
            .templates
            .take_over(&account, crate::kind::ListOf::Templates, list, NOW)
            .await
            .unwrap();
    }
    let taken = stores.take(call(vec![permitted("o1", permit)]), NOW).await;
    let message = stores.message(taken[0].unwrap().id).await;
    assert_eq!(message.delivery.status, Status::Queued);
    assert_eq!(message.delivery.reason, Some(Reason::TemplateStopped));
    drop(working.permit("o1").await);
    assert_eq!(working.taken(), 0);
    working.finish().await;
}

pub async fn a_replay_hands_nothing_over<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let working = Working::on(&stores).await;
    let keyed = async || {
        let permit = working.permit("o1").await;
        Accept {
            idempotency: Some(key("k", 1, NOW)),
            ..call(vec![permitted("o1", permit)])
        }
    };
    let first = stores.take(keyed().await, NOW).await[0].unwrap();
    is_sent(&stores, first.id).await;
    let again = stores.take(keyed().await, NOW).await[0].unwrap();
    assert_eq!((again.id, again.status), (first.id, Status::Sent));
    assert_eq!(working.taken(), 1);
    drop(working.permit("o1").await);
    working.finish().await;
}

pub async fn a_caller_who_hangs_up_strands_nothing<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let working = Working::on(&stores).await;
    let message = permitted("o1", working.permit("o1").await);
    let id = message.id;
    let mut accepting = stores.queue.accept(call(vec![message]), NOW);
    // Poll it once and no more, as when a connection breaks.
    let _ = (&mut accepting).now_or_never();
    drop(accepting);
    // A second call waits its turn, so by its answer the first one's fate is known.
    stores.store(content("o2"), NOW).await;
    if stores.ledger.find(id).await.unwrap().is_some() {
        is_sent(&stores, id).await;
    }
    drop(working.permit("o1").await);
    working.finish().await;
}
