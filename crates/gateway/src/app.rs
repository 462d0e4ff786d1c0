//! The gateway put together from a configuration: the only place that names adapters.
//! It must not run anything: `role` does.

mod accounts;
mod broadcasts;
mod callbacks;
mod callers;
mod oauth;
mod operations;
mod recipients;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hongyan_courier::accept::Acceptor;
use hongyan_courier::broadcast::expand::Expander;
use hongyan_courier::delivery::Policy;
use hongyan_courier::dispatch::{self, Dispatch, Slots};
use hongyan_courier::message::AccountName;
use hongyan_courier::observer::Observer;
use hongyan_courier::port::Ledger;
use hongyan_courier::quota::{self, QuotaNews, Quotas};
use hongyan_courier::rate::MemoryLimiter;
use hongyan_courier::recipient::confirm::Confirmations;
use hongyan_courier::retention::Pruner;
use hongyan_courier::sweep::Sweeper;
use hongyan_courier::template::book::{self, Book, Prompts};
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_courier::token::{self, Keeper, MemoryTokenCache};
use hongyan_courier::webhook::{self, Bell};
use hongyan_store::sqlite::SqliteStore;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::accounts::{habits, known, lines, names, policy, quota_habits, retries, slots};
use crate::api::accounts::{AccountBook, Accounts};
use crate::api::callback::Callbacks;
use crate::api::door::Door;
use crate::api::health::Readiness;
use crate::api::messages::send::Intake;
use crate::api::messages::show::Messages;
use crate::api::router::{Doors, UseCases, routers};
use crate::api::templates::Templates;
use crate::api::token::Tokens;
use crate::auth::bearer::keys::KeySet;
use crate::clock::SystemClock;
use crate::condition::{Conditions, Reports};
use crate::config::Config;
use crate::config::resolved::{AccountSecrets, Secrets};
use crate::config::store::StoreUrl;
use crate::limits::Limits;
use crate::listen::House;
use crate::metrics::{Gauges, Meter, StoreMeter};
use crate::role::Roles;
use crate::telemetry::prometheus::Metrics;
use crate::tls::Live;
use crate::wait::Waiters;
use crate::wechat_upstream::WechatUpstream;

/// How often a message is sent anew after its receipt said that WeChat's system failed.
const RECEIPT_RETRIES: u16 = 2;

/// A single process has the store to itself: whatever a former one of this name had leased is taken back at its start.
const NODE: &str = "local";

/// A gateway that is ready to run.
pub struct App {
    pub main: Router,
    /// How callers are let in there.
    pub house: House,
    /// What they are shown, if they are spoken to over TLS.
    pub certificate: Option<Arc<Live>>,
    /// Health and metrics, where they have a listener of their own.
    pub ops: Option<Router>,
    pub dispatch: Option<Arc<Dispatch>>,
    pub keeper: Arc<Keeper>,
    pub quotas: Arc<Quotas>,
    pub book: Arc<Book>,
    pub accounts: Vec<AccountName>,
    pub sweeper: Option<Sweeper>,
    pub pruner: Option<Pruner>,
    pub confirmations: Option<Confirmations>,
    pub expander: Option<Arc<Expander>>,
    pub webhooks: Option<Arc<webhook::Sender>>,
    /// What comes in from WeChat, and who else is told of it.
    pub callbacks: Arc<Callbacks>,
    /// What tokens are checked with, where it is published elsewhere.
    pub key_sets: Vec<Arc<KeySet>>,
    pub gauges: Gauges,
    pub store: Arc<SqliteStore>,
    /// Told when the gateway stops taking.
    pub stopping: CancellationToken,
    pub shutdown_timeout: Duration,
}

/// The parts that many others need.
struct Core {
    store: Arc<SqliteStore>,
    clock: Arc<SystemClock>,
    observer: Arc<dyn Observer>,
    slots: Arc<Slots>,
    keeper: Arc<Keeper>,
    quotas: Arc<Quotas>,
    book: Arc<Book>,
    upstream: Arc<WechatUpstream>,
    accounts: Arc<Accounts>,
    conditions: Arc<Conditions>,
    waiters: Arc<Waiters>,
    limits: Arc<Limits>,
    broadcast_changed: Arc<Notify>,
    bell: Arc<Bell>,
    stopping: CancellationToken,
}

impl App {
    /// Opens the store and puts everything together. `watchers` are told what happens, besides the gateway's own.
    pub async fn build(
        config: &Config,
        secrets: Secrets,
        roles: Roles,
        watchers: Vec<Arc<dyn Observer>>,
    ) -> anyhow::Result<Self> {
        let metrics = Metrics::install()?;
        let clock = Arc::new(SystemClock::new());
        let store = open(&config.store.url, clock.now()).await?;
        webhooks::subscribe(&*store, config).await?;
        let core = Core::build(config, &secrets.accounts, (store, clock), watchers).await?;
        let dispatch = roles.works().then(|| core.dispatch(config));
        let sweeper = roles.works().then(|| core.sweeper());
        let pruner = roles.works().then(|| core.pruner(config));
        let expander = roles
            .works()
            .then(|| broadcasts::expander(&core, dispatch.clone(), config.templates.counting));
        let sender = webhooks::sender(&core, config, secrets.webhooks.clone(), roles)?;
        let certificate = secrets.tls.clone().map(Live::new);
        let cases = core.use_cases(
            config,
            secrets,
            dispatch.clone(),
            metrics.clone(),
            sender.clone(),
        )?;
        let doors = Doors {
            callers: roles.serves(),
            ops_elsewhere: config.server.ops_listen.is_some(),
        };
        let (main, ops) = routers(&cases, doors)?;
        let accounts: Vec<AccountName> = core
            .accounts
            .every()
            .map(|known| known.name.clone())
            .collect();
        Ok(Self {
            main,
            house: callers::house(config, certificate.as_ref())?,
            certificate,
            ops,
            dispatch,
            sweeper,
            pruner,
            confirmations: recipients::confirmations(&core, roles),
            expander,
            gauges: Gauges {
                ledger: core.store.clone(),
                outbox: core.store.clone(),
                broadcasts: core.store.clone(),
                sender: sender.clone(),
                connections: {
                    let store = core.store.clone();
                    Box::new(move || store.connections())
                },
                slots: core.slots,
                quotas: core.quotas.clone(),
                conditions: core.conditions,
                accounts: accounts.clone(),
                clock: core.clock,
                metrics,
            },
            webhooks: sender,
            callbacks: cases.callbacks.clone(),
            key_sets: cases.door.authenticator.key_sets(),
            keeper: core.keeper,
            quotas: core.quotas,
            book: core.book,
            accounts,
            store: core.store,
            stopping: core.stopping,
            shutdown_timeout: config.server.shutdown_timeout,
        })
    }
}

impl Core {
    async fn build(
        config: &Config,
        secrets: &[AccountSecrets],
        (store, clock): (Arc<SqliteStore>, Arc<SystemClock>),
        watchers: Vec<Arc<dyn Observer>>,
    ) -> anyhow::Result<Self> {
        let (reports, waiters) = (Arc::new(Reports::default()), Arc::new(Waiters::default()));
        let news = Arc::new(QuotaNews::of(names(config)));
        let prompts = Prompts::new(names(config));
        let mut all: Vec<Arc<dyn Observer>> = vec![
            Arc::new(Meter::default()),
            reports.clone(),
            waiters.clone(),
            news.clone(),
            prompts.clone(),
        ];
        let bell = Arc::new(Bell::default());
        // It rings with every message that moves, so only where somebody listens.
        if !config.webhooks.is_empty() {
            all.push(bell.clone());
        }
        all.extend(watchers);
        let observer: Arc<dyn Observer> = Arc::new(all);
        let slots = slots(config);
        let upstream = Arc::new(WechatUpstream::new(lines(config, secrets)?));
        let woken = Arc::clone(&slots);
        let parts = token::Parts {
            cache: Arc::new(MemoryTokenCache::default()),
            upstream: upstream.clone(),
            standings: store.clone(),
            clock: clock.clone(),
            observer: observer.clone(),
            ready: Arc::new(move || woken.wake()),
        };
        let keeper = Keeper::open(parts, habits(config)).await?;
        let parts = quota::Parts {
            book: store.clone(),
            desk: upstream.clone(),
            keeper: keeper.clone(),
            slots: slots.clone(),
            news,
            clock: clock.clone(),
            observer: observer.clone(),
        };
        let quotas = Quotas::open(parts, quota_habits(config)).await?;
        let parts = book::Parts {
            templates: store.clone(),
            source: upstream.clone(),
            keeper: keeper.clone(),
            clock: clock.clone(),
            observer: observer.clone(),
            prompts,
            every: config.templates.sync_interval,
        };
        let book = Book::open(parts, names(config)).await?;
        let conditions = Conditions::new(&keeper, reports);
        Ok(Self {
            store,
            clock,
            observer,
            slots,
            keeper,
            quotas,
            book,
            upstream,
            accounts: Arc::new(Accounts::new(config.accounts.iter().map(known).collect())),
            conditions: Arc::new(conditions),
            waiters,
            limits: callers::limits(config),
            broadcast_changed: Arc::default(),
            bell,
            stopping: CancellationToken::new(),
        })
    }

    fn dispatch(&self, config: &Config) -> Arc<Dispatch> {
        let usual = Policy {
            max_retries: retries(config),
            receipt_timeout: None,
            receipt_retries: RECEIPT_RETRIES,
        };
        let policies: Vec<(AccountName, Policy)> = config
            .accounts
            .iter()
            .map(|account| {
                (
                    AccountName::from(account.name.as_str()),
                    policy(account, config),
                )
            })
            .collect();
        let policy = move |account: &AccountName| {
            let found = policies.iter().find(|(name, _)| name == account);
            found.map_or(usual, |(_, policy)| *policy)
        };
        Dispatch::new(dispatch::Parts {
            queue: self.store.clone(),
            upstream: self.upstream.clone(),
            keeper: self.keeper.clone(),
            limiter: Arc::new(MemoryLimiter::default()),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            slots: self.slots.clone(),
            policy: Arc::new(policy),
            node: NODE.into(),
        })
    }

    fn sweeper(&self) -> Sweeper {
        Sweeper {
            ledger: self.store.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        }
    }

    fn pruner(&self, config: &Config) -> Pruner {
        Pruner {
            ledger: self.store.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            keep: config.retention.keep(),
        }
    }

    fn acceptor(&self, dispatch: Option<Arc<Dispatch>>) -> Acceptor {
        Acceptor {
            queue: self.store.clone(),
            dispatch,
            slots: self.slots.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        }
    }

    fn use_cases(
        &self,
        config: &Config,
        mut secrets: Secrets,
        dispatch: Option<Arc<Dispatch>>,
        metrics: Metrics,
        sender: Option<Arc<webhook::Sender>>,
    ) -> anyhow::Result<UseCases> {
        let ledger: Arc<dyn Ledger> = self.store.clone();
        let clock: Arc<dyn Clock> = self.clock.clone();
        Ok(UseCases {
            door: Arc::new(Door {
                authenticator: callers::authenticator(&config.jwt, &mut secrets)?,
                clock: self.clock.clone(),
                limits: self.limits.clone(),
                body_bytes_max: usize::try_from(config.limits.body_bytes)?,
            }),
            intake: Arc::new(self.intake(config, dispatch)?),
            messages: Arc::new(Messages {
                ledger: ledger.clone(),
                slots: self.slots.clone(),
                clock: clock.clone(),
            }),
            changes: self.changes(),
            retries: self.bulk_retry(),
            attention: self.attention(),
            audit: self.store.clone(),
            accounts: Arc::new(AccountBook {
                accounts: self.accounts.clone(),
                conditions: self.conditions.clone(),
                standings: self.store.clone(),
                slots: self.slots.clone(),
                quotas: self.quotas.clone(),
                book: self.store.clone(),
                ledger: ledger.clone(),
                clock: clock.clone(),
            }),
            tokens: Arc::new(Tokens {
                accounts: self.accounts.clone(),
                keeper: self.keeper.clone(),
                conditions: self.conditions.clone(),
                ledger: ledger.clone(),
                audit: self.store.clone(),
                clock: clock.clone(),
            }),
            templates: Arc::new(Templates {
                accounts: self.accounts.clone(),
                book: self.book.clone(),
                templates: self.store.clone(),
                keeper: self.keeper.clone(),
                library: self.upstream.clone(),
                ledger: ledger.clone(),
                clock,
                counting: config.templates.counting,
            }),
            contacts: Arc::new(recipients::contacts(self)),
            broadcasts: Arc::new(broadcasts::calls(self, config.templates.counting)),
            webhooks: Arc::new(webhooks::calls(self, config, sender)),
            callbacks: Arc::new(callbacks::callbacks(self, config, &secrets.accounts)?),
            oauth: Arc::new(oauth::calls(self, config, &secrets.clients)),
            readiness: Arc::new(Readiness {
                ledger,
                accounts: self.accounts.clone(),
                conditions: self.conditions.clone(),
                stop: self.stopping.clone(),
            }),
            metrics,
        })
    }

    fn intake(&self, config: &Config, dispatch: Option<Arc<Dispatch>>) -> anyhow::Result<Intake> {
        Ok(Intake {
            acceptor: self.acceptor(dispatch),
            ledger: self.store.clone(),
            accounts: self.accounts.clone(),
            templates: self.book.clone(),
            counting: config.templates.counting,
            waiters: self.waiters.clone(),
            limits: self.limits.clone(),
            wait_max: config.limits.wait,
            batch_max: usize::try_from(config.limits.batch_messages)?,
            stop: self.stopping.clone(),
        })
    }
}

/// A large database may take a while to be migrated and taken stock of, which must not hold up the runtime.
async fn open(url: &StoreUrl, now: UnixMs) -> anyhow::Result<Arc<SqliteStore>> {
    let StoreUrl::Sqlite(path) = url.clone();
    let opening = move || SqliteStore::open_watched(&path, now, Arc::new(StoreMeter::default()));
    Ok(tokio::task::spawn_blocking(opening).await??)
}

/// Brings a store to this version's schema; answers the versions before and after.
pub fn migrate(url: &StoreUrl) -> anyhow::Result<(usize, usize)> {
    let StoreUrl::Sqlite(path) = url;
    let migrated = hongyan_store::sqlite::migrate(path)?;
    Ok((migrated.from, migrated.to))
}
