//! The token keeper: one token per account for everybody. One task an account does all fetching, so that ten thousand
//! rejections make one fetch; what is rejected is refreshed only if it still is the current one.

mod budget;
mod held;
mod memory;
mod refresh;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_wechat::AccessToken;
use hongyan_wechat::answer::offending_ip;
use hongyan_wechat::errcode::{Class, ConfigurationFault};
use hongyan_wechat::error::{ApiError, CallError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use held::NoToken;
use held::{Held, Step};
pub use memory::MemoryTokenCache;
pub use refresh::RefreshError;
use refresh::Wishes;

use crate::account::{Standing, Stop, StopCause};
use crate::message::AccountName;
use crate::observer::{Event, Observer, Sought, Tier};
use crate::port::{Fence, Standings, Token, TokenCache, TokenMode, Upstream};
use crate::time::{Clock, UnixMs};

/// How long one node may be at fetching before another may try.
const LOCK: Duration = Duration::from_secs(30);
/// The pause while another node fetches.
const LOCKED_PAUSE: Duration = Duration::from_millis(200);
/// The longest sleep of a keeper that has nothing to do.
const IDLE: Duration = Duration::from_secs(60);

/// What the keeper is made of.
pub struct Parts {
    /// The token that all nodes share.
    pub cache: Arc<dyn TokenCache>,
    /// WeChat.
    pub upstream: Arc<dyn Upstream>,
    /// How the accounts stand, across restarts.
    pub standings: Arc<dyn Standings>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Called when an account's token becomes usable.
    pub ready: Arc<dyn Fn() + Send + Sync>,
}

/// How an account's tokens are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// `Stable`, or `Plain` where an operator wants it so.
    pub mode: TokenMode,
    /// How often a stopped account is tried again.
    pub probe: Duration,
}

/// The tokens of all accounts.
pub struct Keeper {
    parts: Parts,
    accounts: HashMap<AccountName, Account>,
}

struct Account {
    habit: Habit,
    held: Mutex<Held>,
    nudge: Notify,
}

/// An account's token and standing, for operators.
#[derive(Clone, Debug)]
pub struct View {
    /// The current token, usable or not.
    pub token: Option<Token>,
    /// Whether messages are sent with it.
    pub usable: bool,
    /// How the account stands.
    pub standing: Standing,
}

impl Account {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// A keeper for these accounts; reads how they stood.
    pub async fn open(
        parts: Parts,
        accounts: impl IntoIterator<Item = (AccountName, Habit)>,
    ) -> Result<Arc<Self>, crate::port::StoreError> {
        let mut map = HashMap::new();
        for (name, habit) in accounts {
            let standing = parts.standings.standing(&name).await?;
            let held = Mutex::new(Held::new(standing, rand::random()));
            map.insert(
                name,
                Account {
                    habit,
                    held,
                    nudge: Notify::new(),
                },
            );
        }
        Ok(Arc::new(Self {
            parts,
            accounts: map,
        }))
    }

    /// The token to send with now.
    pub fn current(&self, account: &AccountName) -> Result<AccessToken, NoToken> {
        let now = self.parts.clock.now();
        let Some(found) = self.accounts.get(account) else {
            return Err(NoToken {
                until: now.plus(IDLE),
                reason: crate::message::Reason::AccountUnusable,
            });
        };
        let usable = found.held().usable(now).map(|token| token.secret.clone());
        let sought = usable.as_ref().map_or(Sought::Miss, |_| Sought::Hit);
        self.parts.observer.token_sought(Tier::Local, sought);
        usable
    }

    /// Whether there is a token to send with now, for whoever does not need it yet.
    #[must_use]
    pub fn ready(&self, account: &AccountName) -> bool {
        let found = self.accounts.get(account);
        found.is_some_and(|found| found.held().usable(self.parts.clock.now()).is_ok())
    }

    /// A call was rejected with this token: it is refreshed, if it still is the current one.
    pub fn rejected(&self, account: &AccountName, token: &AccessToken) {
        if let Some(found) = self.accounts.get(account)
            && found
                .held()
                .reject(&token.fingerprint(), self.parts.clock.now())
        {
            tracing::warn!(%account, token = token.fingerprint(), "WeChat rejected the token: somebody outside may be refreshing it");
            found.nudge.notify_one();
        }
    }

    /// A call was accepted with this token: if it is the current one, whatever trouble there was is over.
    pub fn accepted(&self, account: &AccountName, token: &AccessToken) {
        if let Some(found) = self.accounts.get(account) {
            let mut held = found.held();
            // In the usual case there is none, and the fingerprint need not be known.
            if held.standing.trouble.is_some() && held.accept(&token.fingerprint()) {
                found.nudge.notify_one();
            }
        }
    }

    /// What an operator sees.
    #[must_use]
    pub fn view(&self, account: &AccountName) -> Option<View> {
        let held = self.accounts.get(account)?.held();
        let usable = held.usable(self.parts.clock.now()).is_ok();
        Some(View {
            token: held.token.clone(),
            usable,
            standing: held.standing.clone(),
        })
    }

    /// Keeps one account's token until told to stop.
    pub async fn keep(self: Arc<Self>, account: AccountName, stop: CancellationToken) {
        let Some(found) = self.accounts.get(&account) else {
            return;
        };
        loop {
            let now = self.parts.clock.now();
            let step = found.held().next(found.habit.mode, now);
            let pause = match step {
                Step::Fetch(mode) => match self.fetch(&account, found, mode).await {
                    Ok(()) => continue,
                    Err(pause) => pause,
                },
                Step::Wait(at) => at.since(now).clamp(Duration::from_millis(1), IDLE),
            };
            tokio::select! {
                () = stop.cancelled() => {
                    found.held().wishes = Wishes::default();
                    return;
                }
                () = found.nudge.notified() => self.persist_if_well(&account, found).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Trouble that is over must not be found again after a restart.
    async fn persist_if_well(&self, account: &AccountName, found: &Account) {
        let standing = found.held().standing.clone();
        if standing.trouble.is_none() {
            self.persist(account, standing).await;
        }
    }

    async fn persist(&self, account: &AccountName, standing: Standing) -> bool {
        let stored = self.parts.standings.set_standing(account, standing).await;
        stored
            .inspect_err(
                |error| tracing::warn!(%error, %account, "cannot store the account's standing"),
            )
            .is_ok()
    }

    /// One fetch, or the pause before it may be tried again.
    async fn fetch(
        &self,
        account: &AccountName,
        found: &Account,
        mode: TokenMode,
    ) -> Result<(), Duration> {
        let fence = match self
            .parts
            .cache
            .lock(account, LOCK, self.parts.clock.now())
            .await
        {
            Ok(Some(fence)) => Some(fence),
            Ok(None) => return Err(LOCKED_PAUSE),
            Err(error) => {
                // The stable endpoint hands every node the same token, so each may ask for itself.
                tracing::warn!(%error, %account, "fetching without the shared cache");
                None
            }
        };
        let fetched = self.fetch_locked(account, found, mode, fence).await;
        if let Some(fence) = fence
            && let Err(error) = self.parts.cache.unlock(account, fence).await
        {
            tracing::warn!(%error, %account, "cannot release the token lock; it runs out by itself");
        }
        fetched
    }

    async fn fetch_locked(
        &self,
        account: &AccountName,
        found: &Account,
        mode: TokenMode,
        fence: Option<Fence>,
    ) -> Result<(), Duration> {
        if self.adopt_shared(account, found).await {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let count = |standing: &mut Standing| {
            if mode == TokenMode::Forced {
                budget::forced_now(&mut standing.forced, now);
            }
            if let Some(trouble) = &mut standing.trouble {
                trouble.fetched(now);
                budget::refetched(&mut standing.refetched_until, now);
            }
        };
        let mut spent = found.held().standing.clone();
        count(&mut spent);
        // A fetch that a restart would forget is not made; and one that is not made does not count.
        let counts = spent.trouble.is_some() || mode == TokenMode::Forced;
        if counts && !self.persist(account, spent).await {
            return Err(Duration::from_secs(1));
        }
        let wishes = {
            let mut held = found.held();
            count(&mut held.standing);
            held.wishes.served_by(mode)
        };
        let answer = self.parts.upstream.fetch_token(account, mode).await;
        let now = self.parts.clock.now();
        match answer {
            Ok(granted) => {
                let token = Token {
                    secret: granted.secret,
                    expires_at: now.plus(granted.expires_in),
                    fetched_at: now,
                };
                self.take(account, found, token, fence).await;
                wishes.answer(&Ok(()));
                Ok(())
            }
            Err(error) => {
                wishes.answer(&Err(RefreshError::Failed(error.to_string())));
                Err(self.failed(account, found, &error, now).await)
            }
        }
    }

    /// Another node may have fetched one meanwhile.
    async fn adopt_shared(&self, account: &AccountName, found: &Account) -> bool {
        let sought = match self.parts.cache.get(account).await {
            Err(_) => Sought::Error,
            Ok(shared) => match shared.is_some_and(|token| self.adopt(found, token)) {
                true => Sought::Hit,
                false => Sought::Miss,
            },
        };
        self.parts.observer.token_sought(Tier::Shared, sought);
        sought == Sought::Hit
    }

    fn adopt(&self, found: &Account, shared: Token) -> bool {
        let mut held = found.held();
        let wanted = held.wishes.mode().is_some();
        let known = held
            .token
            .as_ref()
            .is_some_and(|own| own.secret == shared.secret);
        let bad = held
            .standing
            .trouble
            .as_ref()
            .is_some_and(|t| t.rejected == shared.secret.fingerprint());
        let fresh = self.parts.clock.now().plus(LOCK) < shared.expires_at;
        if wanted || known || bad || !fresh {
            return false;
        }
        held.take(shared);
        drop(held);
        (self.parts.ready)();
        true
    }

    async fn take(
        &self,
        account: &AccountName,
        found: &Account,
        token: Token,
        fence: Option<Fence>,
    ) {
        let expires_at = token.expires_at;
        let (usable, was_stopped, standing) = {
            let mut held = found.held();
            let was_stopped = held.standing.stop.is_some();
            (held.take(token.clone()), was_stopped, held.standing.clone())
        };
        if let Some(fence) = fence
            && let Err(error) = self.parts.cache.put(account, token, fence).await
        {
            tracing::warn!(%error, %account, "cannot share the token");
        }
        if was_stopped {
            self.persist(account, standing).await;
            self.parts.observer.observe(&Event::Standing {
                account: account.clone(),
                stopped: None,
            });
        }
        self.parts.observer.observe(&Event::TokenFetched {
            account: account.clone(),
            expires_at: Some(expires_at),
        });
        if usable {
            (self.parts.ready)();
        }
    }

    async fn failed(
        &self,
        account: &AccountName,
        found: &Account,
        error: &CallError,
        now: UnixMs,
    ) -> Duration {
        tracing::warn!(%account, %error, "cannot fetch a token");
        self.parts.observer.observe(&Event::TokenFetched {
            account: account.clone(),
            expires_at: None,
        });
        let stop = match error {
            CallError::Refused(refusal) => stop(refusal, found.habit.probe, now),
            CallError::NotSent(_) | CallError::InDoubt(_) => None,
        };
        let standing = {
            let mut held = found.held();
            match stop {
                Some(mut stop) => {
                    stop.since = held
                        .standing
                        .stop
                        .as_ref()
                        .map_or(now, |before| before.since);
                    held.standing.stop = Some(stop);
                }
                None => {
                    let times = held.failing.map_or(0, |(times, _)| times) + 1;
                    let pause = Duration::from_secs(1 << times.min(6)).min(IDLE);
                    held.failing = Some((times, now.plus(pause)));
                }
            }
            held.standing.clone()
        };
        if let Some(stop) = &standing.stop {
            let stopped = Some(stop.detail.clone());
            self.parts.observer.observe(&Event::Standing {
                account: account.clone(),
                stopped,
            });
            self.persist(account, standing).await;
        }
        Duration::from_millis(1)
    }
}

/// Whether a refusal of the token endpoint stops the account, and what an operator should read.
fn stop(error: &ApiError, probe: Duration, now: UnixMs) -> Option<Stop> {
    let said = format!("WeChat says {}: {}", error.code, error.errmsg);
    let (cause, detail, pause) = match error.class() {
        Class::Configuration(ConfigurationFault::Secret) => (
            StopCause::Credentials,
            format!("the AppSecret is wrong or frozen: set the right one ({said})"),
            probe,
        ),
        Class::Configuration(ConfigurationFault::AppId) => (
            StopCause::Credentials,
            format!("the appid is wrong ({said})"),
            probe,
        ),
        Class::Configuration(
            fault @ (ConfigurationFault::Address
            | ConfigurationFault::RefusedForAnHour
            | ConfigurationFault::RefusedForADay),
        ) => {
            let ip = offending_ip(&error.errmsg)
                .map_or_else(|| "this machine's address".into(), |ip| ip.to_string());
            let pause = match fault {
                ConfigurationFault::RefusedForAnHour => Duration::from_secs(3_600),
                ConfigurationFault::RefusedForADay => Duration::from_secs(86_400),
                _ => probe,
            };
            (
                StopCause::Address,
                format!(
                    "add {ip} to the account's IP whitelist, on WeChat's platform under basic configuration ({said})"
                ),
                pause,
            )
        }
        Class::Configuration(ConfigurationFault::Request) => {
            (StopCause::TokenEndpoint, said, probe)
        }
        Class::Account(_) => (StopCause::Blocked, said, probe),
        Class::Quota => (
            StopCause::Quota,
            format!("the day's token quota is spent ({said})"),
            probe.max(Duration::from_secs(600)),
        ),
        _ => return None,
    };
    Some(Stop {
        cause,
        detail,
        since: now,
        probe_at: now.plus(pause),
    })
}
