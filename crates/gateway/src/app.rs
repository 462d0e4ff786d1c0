//! The gateway put together from a configuration: the only place that names adapters.
//! It must not run anything: `role` does.

mod accounts;
mod broadcasts;
mod callbacks;
mod callers;
mod live;
mod oauth;
mod operations;
mod recipients;
mod ways;
mod webhooks;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hongyan_courier::accept::Acceptor;
use hongyan_courier::audit::Act;
use hongyan_courier::broadcast::expand::Expander;
use hongyan_courier::delivery::Policy;
use hongyan_courier::dispatch::{self, Dispatch, Slots};
use hongyan_courier::message::AccountName;
use hongyan_courier::observer::Observer;
use hongyan_courier::port::Ledger;
use hongyan_courier::quota::{self, QuotaNews, Quotas};
use hongyan_courier::rate::MemoryLimiter;
use hongyan_courier::recipient::confirm::Confirmations;
use hongyan_courier::recipient::forget::{AfterUnsubscribe, Forgetter};
use hongyan_courier::retention::Pruner;
use hongyan_courier::sweep::Sweeper;
use hongyan_courier::template::book::{self, Book, Prompts};
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_courier::token::{self, Keeper, MemoryTokenCache};
use hongyan_courier::webhook::{self, Bell};
use hongyan_store::sqlite::{SqliteStore, Stamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::accounts::{habits, known, names, policies, policy, quota_habits, retries, slots};
use self::callbacks::Spools;
use self::ways::Ways;
use crate::api::accounts::{AccountBook, Accounts};
use crate::api::door::Door;
use crate::api::health::Readiness;
use crate::api::messages::send::Intake;
use crate::api::messages::show::Messages;
use crate::api::router::{Doors, UseCases};
use crate::api::templates::Templates;
use crate::api::token::Tokens;
use crate::auth::nonces::SeenNonces;
use crate::auth::refused::RefusedNonces;
use crate::clock::SystemClock;
use crate::compat;
use crate::condition::{Conditions, Reports};
use crate::config::Config;
use crate::config::profile::Profile;
use crate::config::resolved::{AccountSecrets, Secrets};
use crate::config::store::StoreUrl;
use crate::limits::Limits;
use crate::listen::{House, Routes};
use crate::metrics::{Gauges, Meter, StoreMeter};
use crate::role::Roles;
use crate::telemetry::prometheus::Metrics;
use crate::tls::Live as Certificate;
use crate::wait::Waiters;
use crate::wechat_upstream::WechatUpstream;

/// How often a message is sent anew after its receipt said that WeChat's system failed.
const RECEIPT_RETRIES: u16 = 2;

/// A single process has the store to itself: whatever a former one of this name had leased is taken back at its start.
const NODE: &str = "local";

use live::Fixed;
pub use live::{Changes, Live};

/// A gateway that is ready to run.
pub struct App {
    pub main: Routes,
    /// How callers are let in there.
    pub house: House,
    /// Health and metrics, where they have a listener of their own.
    pub ops: Option<Routes>,
    pub dispatch: Option<Arc<Dispatch>>,
    /// What of it can be changed while it runs.
    pub live: Arc<Live>,
    pub sweeper: Option<Sweeper>,
    pub pruner: Option<Pruner>,
    pub confirmations: Option<Confirmations>,
    pub forgetter: Option<Arc<Forgetter>>,
    pub expander: Option<Arc<Expander>>,
    pub webhooks: Option<Arc<webhook::Sender>>,
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
    accounts: Arc<ArcSwap<Accounts>>,
    policies: Arc<ArcSwap<HashMap<AccountName, Policy>>>,
    ways: Ways,
    spools: Spools,
    /// Nonces of reads, and of writes that were refused, that were seen since the start.
    seen: Arc<SeenNonces>,
    /// Keys that are published elsewhere.
    key_sets: callers::KeySets,
    conditions: Arc<Conditions>,
    waiters: Arc<Waiters>,
    limits: Arc<Limits>,
    virtual_tokens: Arc<compat::tokens::Tokens>,
    after_unsubscribe: Arc<AfterUnsubscribe>,
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
        let store = open(config, clock.now()).await?;
        webhooks::subscribe(&*store, config).await?;
        let core = Core::build(config, &secrets.accounts, (store, clock), watchers).await?;
        let dispatch = roles.works().then(|| core.dispatch(config));
        let sweeper = roles.works().then(|| core.sweeper());
        let pruner = roles.works().then(|| core.pruner(config));
        let expander = roles
            .works()
            .then(|| broadcasts::expander(&core, dispatch.clone(), config.templates.counting));
        let sender = webhooks::sender(&core, config, secrets.webhooks.clone(), roles)?;
        let certificate = secrets.tls.clone().map(Certificate::new);
        let fixed = Fixed {
            doors: Doors {
                callers: roles.serves(),
                ops_elsewhere: config.server.ops_listen.is_some(),
            },
            dispatch: dispatch.clone(),
            metrics: metrics.clone(),
            sender: sender.clone(),
            certificate: certificate.clone(),
        };
        let core = Arc::new(core);
        let live = Live::new(core.clone(), fixed, config.clone(), secrets)?;
        Ok(Self {
            main: live.main(),
            house: callers::house(config, certificate.as_ref())?,
            ops: live.ops(),
            live: Arc::new(live),
            dispatch,
            sweeper,
            pruner,
            confirmations: recipients::confirmations(&core, roles),
            forgetter: roles.works().then(|| recipients::forgetter(&core)),
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
                slots: core.slots.clone(),
                quotas: core.quotas.clone(),
                conditions: core.conditions.clone(),
                accounts: core.accounts.clone(),
                clock: core.clock.clone(),
                metrics,
            },
            webhooks: sender,
            store: core.store.clone(),
            stopping: core.stopping.clone(),
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
        let (news, prompts) = (Arc::new(QuotaNews::default()), Arc::new(Prompts::default()));
        let mut all: Vec<Arc<dyn Observer>> = vec![
            Arc::new(Meter::default()),
            reports.clone(),
            waiters.clone(),
            news.clone(),
            prompts.clone(),
        ];
        let bell = bell(config, &mut all);
        all.extend(watchers);
        let observer: Arc<dyn Observer> = Arc::new(all);
        let (slots, ways) = (slots(config), Ways::new(config));
        let upstream = Arc::new(WechatUpstream::new(ways.lines(config, secrets)?));
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
        Ok(Self {
            virtual_tokens: compat::tokens::Tokens::open(store.clone(), clock.clone()).await?,
            conditions: Arc::new(Conditions::new(&keeper, reports)),
            store,
            clock,
            observer,
            slots,
            keeper,
            quotas,
            book,
            upstream,
            accounts: Arc::new(ArcSwap::from_pointee(known(config))),
            policies: Arc::new(ArcSwap::from_pointee(policies(config))),
            ways,
            spools: Spools::default(),
            seen: Arc::default(),
            key_sets: callers::KeySets::default(),
            waiters,
            limits: callers::limits(config),
            after_unsubscribe: recipients::after_unsubscribe(config),
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
        let policies = self.policies.clone();
        let policy =
            move |account: &AccountName| policies.load().get(account).copied().unwrap_or(usual);
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
        let intake = Arc::new(self.intake(config, dispatch)?);
        let webhooks = Arc::new(webhooks::calls(self, config, sender));
        Ok(UseCases {
            client_tokens: Arc::new(callers::client_tokens(self, config)),
            compat: Arc::new(callers::compat(self, config, &secrets, intake.clone())?),
            door: Arc::new(Door {
                authenticator: callers::authenticator(self, &config.jwt, &mut secrets)?,
                clock: self.clock.clone(),
                limits: self.limits.clone(),
                refused: RefusedNonces::new(ledger.clone()),
                body_bytes_max: usize::try_from(config.limits.body_bytes)?,
            }),
            intake,
            messages: Arc::new(Messages {
                accounts: self.accounts.load_full(),
                ledger: ledger.clone(),
                slots: self.slots.clone(),
                keeper: self.keeper.clone(),
                clock: clock.clone(),
            }),
            changes: self.changes(),
            retries: self.bulk_retry(),
            attention: self.attention(webhooks.clone()),
            audit: self.store.clone(),
            accounts: Arc::new(AccountBook {
                accounts: self.accounts.load_full(),
                conditions: self.conditions.clone(),
                standings: self.store.clone(),
                slots: self.slots.clone(),
                quotas: self.quotas.clone(),
                book: self.store.clone(),
                ledger: ledger.clone(),
                clock: clock.clone(),
            }),
            tokens: Arc::new(Tokens {
                accounts: self.accounts.load_full(),
                keeper: self.keeper.clone(),
                conditions: self.conditions.clone(),
                ledger: ledger.clone(),
                audit: self.store.clone(),
                clock: clock.clone(),
            }),
            templates: Arc::new(Templates {
                accounts: self.accounts.load_full(),
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
            webhooks,
            callbacks: Arc::new(callbacks::callbacks(self, config, &secrets.accounts)?),
            oauth: Arc::new(oauth::calls(self, config, &secrets.clients)),
            readiness: Arc::new(Readiness {
                ledger,
                accounts: self.accounts.load_full(),
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
            accounts: self.accounts.load_full(),
            templates: self.book.clone(),
            counting: config.templates.counting,
            recipients: self.store.clone(),
            waiters: self.waiters.clone(),
            limits: self.limits.clone(),
            wait_max: config.limits.wait,
            batch_max: usize::try_from(config.limits.batch_messages)?,
            stop: self.stopping.clone(),
        })
    }
}

/// It rings with every message that moves, so only where somebody listens.
fn bell(config: &Config, observers: &mut Vec<Arc<dyn Observer>>) -> Arc<Bell> {
    let bell = Arc::new(Bell::default());
    if !config.webhooks.is_empty() {
        observers.push(bell.clone());
    }
    bell
}

/// A large database may take a while to be migrated and taken stock of, which must not hold up the runtime.
async fn open(config: &Config, now: UnixMs) -> anyhow::Result<Arc<SqliteStore>> {
    let StoreUrl::Sqlite(path) = config.store.url.clone();
    let stamp = Some(stamp(config.profile));
    let meter = Arc::new(StoreMeter::default());
    let opening = move || SqliteStore::open_under(&path, now, meter, stamp);
    Ok(tokio::task::spawn_blocking(opening).await??)
}

/// Brings a store to this version's schema; answers the versions before and after.
pub fn migrate(config: &Config) -> anyhow::Result<(usize, usize)> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    let migrated = hongyan_store::sqlite::migrate(path, Some(stamp(config.profile)))?;
    Ok((migrated.from, migrated.to))
}

/// Makes a store that of another profile: of this configuration's. Answers whose it was. It is written down that `who` did.
pub fn restamp(config: &Config, who: String) -> anyhow::Result<Option<&'static str>> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    let act = Act {
        at: SystemClock::new().now(),
        who,
        from: None,
        what: "store.restamp".to_owned(),
        account: None,
        subject: None,
        recipient: None,
        details: None,
        trace_id: None,
    };
    let before = hongyan_store::sqlite::restamp(path, stamp(config.profile), act)?;
    Ok(before.map(Stamp::as_str))
}

fn stamp(profile: Profile) -> Stamp {
    match profile {
        Profile::Dev => Stamp::Dev,
        Profile::Staging => Stamp::Staging,
        Profile::Prod => Stamp::Prod,
    }
}
