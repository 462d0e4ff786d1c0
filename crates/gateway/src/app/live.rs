//! What of a running gateway another configuration changes: accounts, clients, their secrets and limits. Everything that
//! is made of them alone is made anew; what has a life of its own (tokens, lanes, lists) is told of the change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use axum::Router;
use hongyan_courier::audit::{Act, Audit as _};
use hongyan_courier::dispatch::Dispatch;
use hongyan_courier::message::AccountName;
use hongyan_courier::time::Clock as _;
use hongyan_courier::webhook::Sender;
use serde_json::json;
use tokio::sync::{Mutex, SetOnce};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accounts::{enlist, habit, known, names, policies, quota_habit};
use super::{Core, callers};
use crate::api::callback::Callbacks;
use crate::api::router::{Doors, routers};
use crate::auth::bearer::keys::KeySet;
use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::resolved::Secrets;
use crate::crew::{AtWork, Crew};
use crate::listen::Routes;
use crate::metrics;
use crate::telemetry::prometheus::Metrics;
use crate::tls::Live as Certificate;

mod changes;
mod retired;

pub use changes::Changes;
use changes::{differences, with_fixed};
use retired::Retired;

/// How often it is looked whether the last calls of an account that is gone have ended.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A gateway's changeable side.
pub struct Live {
    core: Arc<Core>,
    fixed: Fixed,
    main: Routes,
    ops: Option<Routes>,
    /// There from the moment that the gateway runs.
    crew: SetOnce<Crew>,
    applied: Mutex<Applied>,
}

/// What stays as it was at the start.
pub(super) struct Fixed {
    pub(super) doors: Doors,
    pub(super) dispatch: Option<Arc<Dispatch>>,
    pub(super) metrics: Metrics,
    pub(super) sender: Option<Arc<Sender>>,
    /// What the listener shows, where it speaks TLS.
    pub(super) certificate: Option<Arc<Certificate>>,
}

struct Applied {
    config: Config,
    secrets: Secrets,
    /// Callback tokens and AES keys that were taken out lately.
    retired: Retired,
    /// What the crew takes over when it begins.
    at_start: Option<(Arc<Callbacks>, Vec<Arc<KeySet>>)>,
    /// Of every account that there ever was in this process.
    appids: HashMap<String, String>,
}

/// What one configuration makes.
struct Made {
    main: Router,
    ops: Option<Router>,
    callbacks: Arc<Callbacks>,
    key_sets: Vec<Arc<KeySet>>,
}

impl Live {
    pub(super) fn new(
        core: Arc<Core>,
        fixed: Fixed,
        config: Config,
        secrets: Secrets,
    ) -> anyhow::Result<Self> {
        let made = make(&core, &fixed, &config, secrets.clone())?;
        let appids = config.accounts.iter();
        let appids = appids.map(|account| (account.name.clone(), account.appid.clone()));
        Ok(Self {
            main: Routes::new(made.main),
            ops: made.ops.map(Routes::new),
            crew: SetOnce::new(),
            applied: Mutex::new(Applied {
                appids: appids.collect(),
                config,
                secrets,
                retired: Retired::default(),
                at_start: Some((made.callbacks, made.key_sets)),
            }),
            core,
            fixed,
        })
    }

    pub(super) fn main(&self) -> Routes {
        self.main.clone()
    }

    pub(super) fn ops(&self) -> Option<Routes> {
        self.ops.clone()
    }

    /// Begins the tasks of the accounts. Called once, when the gateway begins to run.
    pub async fn begin(
        &self,
        tasks: TaskTracker,
        stop: CancellationToken,
        last: CancellationToken,
    ) {
        let crew = Crew {
            keeper: self.core.keeper.clone(),
            quotas: self.core.quotas.clone(),
            book: self.core.book.clone(),
            tasks,
            stop,
            last,
            at_work: AtWork::default(),
        };
        let mut applied = self.applied.lock().await;
        names(&applied.config).for_each(|account| crew.hire(&account));
        if let Some((callbacks, key_sets)) = applied.at_start.take() {
            crew.take_over(callbacks, &key_sets).await;
        }
        // It is set this once.
        let _ = self.crew.set(crew);
    }

    /// Puts another configuration in the place of the one in force, whole or not at all. Calls and requests under way end
    /// as they began; answers when those of accounts that are gone have.
    pub async fn apply(&self, config: Config, secrets: Secrets) -> anyhow::Result<Changes> {
        let crew = self.crew.wait().await;
        let mut applied = self.applied.lock().await;
        applied.check_appids(&config)?;
        let (config, waiting) = with_fixed(config, &applied.config);
        let changes = differences(
            (&applied.config, &applied.secrets),
            (&config, &secrets),
            waiting,
        );
        let secrets = Secrets {
            webhooks: applied.secrets.webhooks.clone(),
            ..secrets
        };
        let mut retired = applied.retired.clone();
        retired.note(&applied.secrets.accounts, &secrets.accounts, Instant::now());

        let lines = self.core.ways.lines(&config, &secrets.accounts)?;
        self.take_on(&config, &changes.added).await?;
        self.core.accounts.store(Arc::new(known(&config)));
        let made = make(&self.core, &self.fixed, &config, retired.join(&secrets));
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.core.accounts.store(Arc::new(known(&applied.config)));
                self.let_go(crew, &changes.added);
                return Err(error);
            }
        };
        // From here on nothing fails.
        self.note(&changes).await;
        self.core
            .upstream
            .replace(lines.clone(), &account_names(&changes.removed));
        self.core.policies.store(Arc::new(policies(&config)));
        self.core.limits.replace(callers::allowances(&config));
        let remembered = config.recipients.forget_after_unsubscribe;
        self.core.after_unsubscribe.set(remembered);
        if let (Some(shown), Some(identity)) = (&self.fixed.certificate, &secrets.tls) {
            shown.replace(identity.clone());
        }
        self.settle_in(crew, &config, &changes);
        self.main.replace(made.main);
        if let (Some(served), Some(routes)) = (&self.ops, made.ops) {
            served.replace(routes);
        }
        crew.take_over(made.callbacks, &made.key_sets).await;
        self.drain(&config, &changes.removed).await;
        self.let_go(crew, &changes.removed);
        self.core.upstream.replace(lines, &[]);

        let known = config.accounts.iter();
        let known = known.map(|account| (account.name.clone(), account.appid.clone()));
        applied.appids.extend(known);
        applied.config = config;
        applied.secrets = secrets;
        applied.retired = retired;
        Ok(changes)
    }

    /// Lets go of callback tokens and keys whose time is over; answers when the next one's is.
    pub async fn forget_retired(&self) -> anyhow::Result<Option<Instant>> {
        let crew = self.crew.wait().await;
        let mut applied = self.applied.lock().await;
        let mut retired = applied.retired.clone();
        if retired.expire(Instant::now()) {
            let secrets = retired.join(&applied.secrets);
            let made = make(&self.core, &self.fixed, &applied.config, secrets)?;
            self.main.replace(made.main);
            crew.take_over(made.callbacks, &made.key_sets).await;
            applied.retired = retired;
        }
        Ok(applied.retired.next())
    }

    /// Has it written down what changes. A store that is away does not keep a secret from being exchanged.
    async fn note(&self, changes: &Changes) {
        if changes.none() {
            return;
        }
        let act = Act {
            at: self.core.clock.now(),
            who: "configuration".to_owned(),
            from: None,
            what: "configuration.apply".to_owned(),
            account: None,
            subject: None,
            recipient: None,
            details: Some(json!({"changes": changes.to_string()}).to_string()),
            trace_id: None,
        };
        if let Err(error) = self.core.store.record(act).await {
            tracing::error!(%error, "a change of the configuration is not in the list of who did what");
        }
    }

    /// Gives new accounts what has a life of its own; none of them, if one cannot have it.
    async fn take_on(&self, config: &Config, added: &[String]) -> anyhow::Result<()> {
        let core = &self.core;
        for account in of_names(config, added) {
            let (name, token_habit) = habit(account, config);
            enlist(&core.slots, account);
            let taking = async {
                core.keeper.add(name.clone(), token_habit).await?;
                core.quotas
                    .add(name.clone(), quota_habit(account, config))
                    .await?;
                core.book.add(name).await
            };
            if let Err(error) = taking.await {
                if let Some(crew) = self.crew.get() {
                    self.let_go(crew, added);
                }
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Tells the accounts that are there of what is different.
    fn settle_in(&self, crew: &Crew, config: &Config, changes: &Changes) {
        let core = &self.core;
        for account in of_names(config, &changes.changed) {
            let (name, token_habit) = habit(account, config);
            enlist(&core.slots, account);
            core.keeper.change(&name, token_habit);
            core.quotas.change(&name, quota_habit(account, config));
        }
        for account in account_names(&changes.added) {
            crew.hire(&account);
        }
        for account in account_names(&changes.removed) {
            core.slots.retire(&account);
        }
    }

    /// Waits until no call of these accounts is under way, as long as a call may take.
    async fn drain(&self, config: &Config, removed: &[String]) {
        let until = Instant::now() + config.upstream.call_timeout;
        let names = account_names(removed);
        let under_way = || {
            let each = names.iter().map(|name| self.core.slots.under_way(name));
            each.sum::<usize>()
        };
        while under_way() > 0 && Instant::now() < until {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    fn let_go(&self, crew: &Crew, gone: &[String]) {
        for account in account_names(gone) {
            self.core.slots.retire(&account);
            crew.dismiss(&account);
            self.core.keeper.remove(&account);
            self.core.quotas.remove(&account);
            self.core.book.remove(&account);
            metrics::forget(&account);
        }
    }
}

impl Applied {
    /// A token that is held, and every openid, belong to the appid that they were had with.
    fn check_appids(&self, config: &Config) -> anyhow::Result<()> {
        for account in &config.accounts {
            let (name, appid) = (&account.name, &account.appid);
            if self.appids.get(name).is_some_and(|known| known != appid) {
                bail!(
                    "accounts[{name}].appid: an account keeps its appid while the gateway runs; give the new one another \
                     name, or restart"
                );
            }
        }
        Ok(())
    }
}

fn make(core: &Core, fixed: &Fixed, config: &Config, secrets: Secrets) -> anyhow::Result<Made> {
    let cases = core.use_cases(
        config,
        secrets,
        fixed.dispatch.clone(),
        fixed.metrics.clone(),
        fixed.sender.clone(),
    )?;
    let (main, ops) = routers(&cases, fixed.doors)?;
    Ok(Made {
        main,
        ops,
        key_sets: cases.door.authenticator.key_sets(),
        callbacks: cases.callbacks,
    })
}

fn of_names<'a>(config: &'a Config, names: &'a [String]) -> impl Iterator<Item = &'a Account> {
    let accounts = config.accounts.iter();
    accounts.filter(move |account| names.contains(&account.name))
}

fn account_names(names: &[String]) -> Vec<AccountName> {
    let each = names.iter().map(|name| AccountName::from(name.as_str()));
    each.collect()
}
