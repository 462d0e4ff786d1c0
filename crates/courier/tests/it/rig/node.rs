//! A whole node: dispatcher, token keeper, acceptor, receipts, sweeper, on whatever ports it is given.
//! It knows neither which store nor which WeChat is behind them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::Clock;
use hongyan_courier::accept::Acceptor;
use hongyan_courier::delivery::Policy;
use hongyan_courier::dispatch::{self, Dispatch, Slots};
use hongyan_courier::message::AccountName;
use hongyan_courier::observer::Observer;
use hongyan_courier::port::{Ledger, Queue, Standings, TokenCache, TokenMode, Upstream};
use hongyan_courier::quiet::QuietHours;
use hongyan_courier::quota::QuotaNews;
use hongyan_courier::rate::MemoryLimiter;
use hongyan_courier::receipt::Receipts;
use hongyan_courier::sweep::Sweeper;
use hongyan_courier::token::{self, Habit, Keeper};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a stopping node may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The outside of a node.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) standings: Arc<dyn Standings>,
    pub(crate) cache: Arc<dyn TokenCache>,
    pub(crate) upstream: Arc<dyn Upstream>,
}

/// What an operator would write into the configuration.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) node: String,
    pub(crate) slots: usize,
    pub(crate) accounts: Vec<(AccountName, usize)>,
    pub(crate) policy: Policy,
    pub(crate) hours: HashMap<AccountName, Arc<QuietHours>>,
}

impl Settings {
    /// So many slots, all open to every account.
    pub(crate) fn new(slots: usize, accounts: &[&str], policy: Policy) -> Self {
        Self {
            node: "n1".into(),
            slots,
            accounts: accounts
                .iter()
                .map(|name| ((*name).into(), slots))
                .collect(),
            policy,
            hours: HashMap::new(),
        }
    }

    /// The same, where an account may not have more than so many of the slots.
    pub(crate) fn capped(mut self, account: &str, cap: usize) -> Self {
        let of_account = self.accounts.iter_mut();
        of_account
            .filter(|(name, _)| name.as_str() == account)
            .for_each(|(_, slots)| *slots = cap);
        self
    }
}

/// A node at work.
pub(crate) struct Node {
    pub(crate) slots: Arc<Slots>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) acceptor: Acceptor,
    pub(crate) receipts: Receipts,
    pub(crate) news: Arc<QuotaNews>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Node {
    pub(crate) async fn start(ports: Ports, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let names: Vec<AccountName> = settings.accounts.iter().map(|of| of.0.clone()).collect();
        let news = Arc::new(QuotaNews::default());
        let watching: Vec<Arc<dyn Observer>> = vec![news.clone()];
        let observer: Arc<dyn Observer> = Arc::new(watching);
        let slots = Slots::new(settings.slots, []);
        for (account, cap) in &settings.accounts {
            slots.enlist(account, *cap, settings.hours.get(account).cloned());
        }
        let wake = slots.clone();
        let habit = Habit {
            mode: TokenMode::Stable,
            probe: Duration::from_secs(60),
        };
        let parts = token::Parts {
            cache: ports.cache,
            upstream: ports.upstream.clone(),
            standings: ports.standings,
            clock: clock.clone(),
            observer: observer.clone(),
            ready: Arc::new(move || wake.wake()),
        };
        let keeper = Keeper::open(parts, names.iter().map(|name| (name.clone(), habit)));
        let keeper = keeper.await.unwrap();
        let policy = settings.policy;
        let dispatch = Dispatch::new(dispatch::Parts {
            queue: ports.queue.clone(),
            upstream: ports.upstream,
            keeper: keeper.clone(),
            clock: clock.clone(),
            observer: observer.clone(),
            limiter: Arc::new(MemoryLimiter::default()),
            slots: slots.clone(),
            policy: Arc::new(move |_| policy),
            node: settings.node.into(),
        });
        let sweeper = Sweeper {
            ledger: ports.ledger.clone(),
            clock: clock.clone(),
            observer: observer.clone(),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        for name in names {
            tasks.spawn(keeper.clone().keep(name, stop.clone()));
        }
        tasks.spawn(dispatch.clone().run(stop.clone(), DEADLINE));
        let sweeping = stop.clone();
        tasks.spawn(async move { sweeper.run(sweeping).await });
        Self {
            acceptor: Acceptor {
                queue: ports.queue,
                dispatch: Some(dispatch),
                slots: slots.clone(),
                clock: clock.clone(),
                observer: observer.clone(),
            },
            receipts: Receipts {
                ledger: ports.ledger,
                clock,
                observer: observer.clone(),
            },
            slots,
            keeper,
            news,
            observer,
            stop,
            tasks,
        }
    }

    /// Stops in two steps, and answers when everything is finished.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
