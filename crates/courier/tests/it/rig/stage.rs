//! One node with its store and its WeChat, and what a test asks of them: hand over, let time pass, count.
//! A restart keeps the store and nothing else, as the restart of a process does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::account::Standing;
use hongyan_courier::message::{Message, Status};
use hongyan_courier::port::{Accept, Accepted, Filter, Ledger, Standings};
use hongyan_courier::token::MemoryTokenCache;
use hongyan_courier::{Clock, UnixMs};

use super::clock::PausedClock;
use super::node::{Node, Ports, Settings};
use super::store::Unsteady;
use super::upstream::Scripted;

/// A node at work, and its surroundings.
pub(crate) struct Stage {
    pub(crate) clock: Arc<PausedClock>,
    pub(crate) store: Arc<Unsteady>,
    pub(crate) wechat: Arc<Scripted>,
    pub(crate) node: Node,
    settings: Settings,
}

impl Stage {
    pub(crate) async fn open(
        settings: Settings,
        script: impl FnOnce(Scripted) -> Scripted,
    ) -> Self {
        Self::open_with(PausedClock::start(), settings, script).await
    }

    pub(crate) async fn open_with(
        clock: Arc<PausedClock>,
        settings: Settings,
        script: impl FnOnce(Scripted) -> Scripted,
    ) -> Self {
        let store: Arc<Unsteady> = Arc::default();
        let wechat = Arc::new(script(Scripted::generous(&clock)));
        let node = Node::start(ports(&store, &wechat), settings.clone(), clock.clone()).await;
        Self {
            clock,
            store,
            wechat,
            node,
            settings,
        }
    }

    /// The node stops as it should, and a new one begins.
    pub(crate) async fn restart(self) -> Self {
        self.node.stop().await;
        let (ports, settings) = (ports(&self.store, &self.wechat), self.settings.clone());
        let node = Node::start(ports, settings, self.clock.clone()).await;
        Self { node, ..self }
    }

    pub(crate) async fn hand_over(&self, messages: Accept) -> Accepted {
        self.node.acceptor.accept(messages).await.unwrap()
    }

    /// Every message of an account, as it stands.
    pub(crate) async fn messages(&self, account: &str) -> Vec<Message> {
        let filter = Filter {
            account: Some(account.into()),
            ..Filter::default()
        };
        self.store.inner.page(filter, usize::MAX).await.unwrap()
    }

    /// How many messages of an account stand where.
    pub(crate) async fn tally(&self, account: &str) -> BTreeMap<Status, usize> {
        let mut tally = BTreeMap::new();
        for message in self.messages(account).await {
            *tally.entry(message.delivery.status).or_default() += 1;
        }
        tally
    }

    /// Asserts that all of an account's messages, so many, stand here, and that none of them spent a retry.
    pub(crate) async fn assert_all(&self, account: &str, status: Status, count: usize) {
        assert_eq!(
            self.tally(account).await,
            BTreeMap::from([(status, count)]),
            "{account}"
        );
        let messages = self.messages(account).await;
        assert!(messages.iter().all(|message| message.delivery.retries == 0));
    }

    /// How an account stands, by the store.
    pub(crate) async fn standing(&self, account: &str) -> Standing {
        self.store.inner.standing(&account.into()).await.unwrap()
    }

    /// Lets time pass until nothing more happens to any message.
    pub(crate) async fn all_over(&self) {
        until(async || {
            let depths = self.store.inner.depths(self.clock.now()).await.unwrap();
            if !depths.is_empty() {
                return false;
            }
            let all = self.store.inner.page(Filter::default(), usize::MAX).await;
            all.unwrap()
                .iter()
                .all(|message| message.delivery.is_over())
        })
        .await;
    }

    /// Lets time pass until this moment.
    pub(crate) async fn until_at(&self, moment: UnixMs) {
        tokio::time::sleep(moment.since(self.clock.now())).await;
    }
}

fn ports(store: &Arc<Unsteady>, wechat: &Arc<Scripted>) -> Ports {
    Ports {
        queue: store.clone(),
        ledger: store.inner.clone(),
        standings: store.clone(),
        cache: Arc::new(MemoryTokenCache::default()),
        upstream: wechat.clone(),
    }
}

/// Lets time pass until it is so; an hour at the most.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..36_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come about within an hour");
}
