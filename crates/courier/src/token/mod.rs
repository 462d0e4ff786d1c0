//! The token keeper: one token per account for everybody. One task an account does all fetching, so that ten thousand
//! rejections make one fetch; what is rejected is refreshed only if it still is the current one.

mod budget;
mod fetch;
mod held;
mod memory;
mod refresh;
mod refusal;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_wechat::errcode::Class;
use hongyan_wechat::error::CallError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use held::NoToken;
use held::{Held, Step};
pub use memory::MemoryTokenCache;
pub use refresh::RefreshError;
use refresh::Wishes;

use crate::account::Standing;
use crate::by_account::ByAccount;
use crate::message::AccountName;
use crate::observer::{Observer, Sought, Tier};
use crate::port::{Standings, Token, TokenCache, TokenMode, Upstream};
use crate::time::{Clock, UnixMs};

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
    accounts: ByAccount<Account>,
}

struct Account {
    habit: Mutex<Habit>,
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
    /// Whether the last fetch brought none.
    pub failing: bool,
    /// How the account stands.
    pub standing: Standing,
}

impl Account {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn habit(&self) -> Habit {
        *self.habit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// A keeper for these accounts; reads how they stood.
    pub async fn open(
        parts: Parts,
        accounts: impl IntoIterator<Item = (AccountName, Habit)>,
    ) -> Result<Arc<Self>, crate::port::StoreError> {
        let keeper = Self {
            parts,
            accounts: ByAccount::default(),
        };
        for (name, habit) in accounts {
            keeper.add(name, habit).await?;
        }
        Ok(Arc::new(keeper))
    }

    /// Takes one more account on; reads how it stood. Nothing is fetched before somebody [keeps](Self::keep) it.
    pub async fn add(
        &self,
        name: AccountName,
        habit: Habit,
    ) -> Result<(), crate::port::StoreError> {
        let standing = self.parts.standings.standing(&name).await?;
        let account = Account {
            habit: Mutex::new(habit),
            held: Mutex::new(Held::new(standing, rand::random())),
            nudge: Notify::new(),
        };
        self.accounts.insert(name, account);
        Ok(())
    }

    /// Lets go of an account that nobody keeps any more.
    pub fn remove(&self, account: &AccountName) {
        self.accounts.remove(account);
    }

    /// The account's tokens are fetched so from now on. Where it had been stopped, because its secret was wrong or its
    /// address not allowed, it is tried again at once: that may have been mended.
    pub fn change(&self, account: &AccountName, habit: Habit) {
        let Some(found) = self.accounts.get(account) else {
            return;
        };
        *found.habit.lock().unwrap_or_else(PoisonError::into_inner) = habit;
        found.held().probe_now(self.parts.clock.now());
        found.nudge.notify_one();
    }

    /// The token to send with now.
    pub fn current(&self, account: &AccountName) -> Result<Token, NoToken> {
        let now = self.parts.clock.now();
        let Some(found) = self.accounts.get(account) else {
            return Err(NoToken {
                until: now.plus(IDLE),
                reason: crate::message::Reason::AccountUnusable,
            });
        };
        let usable = found.held().usable(now).cloned();
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

    /// When there may be a token to send with, for whoever only wants to tell; none if there is one now.
    #[must_use]
    pub fn may_be_ready_at(&self, account: &AccountName) -> Option<UnixMs> {
        let found = self.accounts.get(account)?;
        let lacking = found.held().usable(self.parts.clock.now()).err();
        lacking.map(|lacking| lacking.until)
    }

    /// A call was rejected with this token: it is refreshed, if it still is the current one.
    pub fn rejected(&self, account: &AccountName, token: &Token) {
        if let Some(found) = self.accounts.get(account)
            && found.held().reject(token, self.parts.clock.now())
        {
            tracing::warn!(%account, token = token.secret.fingerprint(), "WeChat rejected the token: somebody outside may be refreshing it");
            found.nudge.notify_one();
        }
    }

    /// A call was accepted with this token: if it is the current one, whatever trouble there was is over.
    pub fn accepted(&self, account: &AccountName, token: &Token) {
        if let Some(found) = self.accounts.get(account)
            && found.held().accept(token)
        {
            found.nudge.notify_one();
        }
    }

    /// Takes note of what an answer says of the token that its call was made with. Answers whether that was rejected.
    pub fn answered<T>(
        &self,
        account: &AccountName,
        token: &Token,
        answer: &Result<T, CallError>,
    ) -> bool {
        match answer {
            Ok(_) => self.accepted(account, token),
            Err(CallError::Refused(error)) if error.class() == Class::Token => {
                self.rejected(account, token);
                return true;
            }
            Err(_) => {}
        }
        false
    }

    /// What an operator sees.
    #[must_use]
    pub fn view(&self, account: &AccountName) -> Option<View> {
        let found = self.accounts.get(account)?;
        let held = found.held();
        let usable = held.usable(self.parts.clock.now()).is_ok();
        Some(View {
            token: held.token.clone(),
            usable,
            failing: held.failing.is_some(),
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
            let step = found.held().next(found.habit().mode, now);
            let pause = match step {
                Step::Fetch(mode) => match self.fetch(&account, &found, mode).await {
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
                () = found.nudge.notified() => self.remember(&account, &found).await,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Trouble that began or ended meanwhile must be known after a restart.
    async fn remember(&self, account: &AccountName, found: &Account) {
        let standing = found.held().standing.clone();
        self.persist(account, standing).await;
    }

    async fn persist(&self, account: &AccountName, standing: Standing) -> bool {
        let stored = self.parts.standings.set_standing(account, standing).await;
        stored
            .inspect_err(
                |error| tracing::warn!(%error, %account, "cannot store the account's standing"),
            )
            .is_ok()
    }
}
