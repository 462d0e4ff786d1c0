//! The quota keeper: how much of the day an account has sent of each kind, and what is left for whom. WeChat is asked now
//! and then; in between its word is carried on by counting. What stopped an account, and what was cleared, survives a restart.

mod calendar;
mod clear;
mod count;
mod news;
mod record;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use calendar::{CLEARINGS_A_MONTH, month_end, renewed_after};
pub use clear::{ClearError, Cleared};
pub use count::Today;
pub use news::QuotaNews;
pub use record::{QuotaRecord, Told};

use count::Count;

use crate::by_account::ByAccount;
use crate::dispatch::{KindHold, Slots};
use crate::kind::ByKind;
use crate::message::{AccountName, Kind, Priority};
use crate::observer::Observer;
use crate::port::StoreError;
use crate::port::quota::{QuotaBook, QuotaDesk};
use crate::time::{Clock, UnixMs};
use crate::token::Keeper;

/// What the quota keeper is made of.
pub struct Parts {
    /// Where it is kept.
    pub book: Arc<dyn QuotaBook>,
    /// WeChat.
    pub desk: Arc<dyn QuotaDesk>,
    /// The accounts' tokens.
    pub keeper: Arc<Keeper>,
    /// The node's sender slots.
    pub slots: Arc<Slots>,
    /// What becomes known of quotas by sending.
    pub news: Arc<QuotaNews>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

/// How an account's quota is kept.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// How often WeChat is asked; more often towards the end.
    pub poll: Duration,
    /// How many percent of the day's quota each priority leaves to those before it, in the order of [`Priority::ALL`].
    pub leaves_percent: [u8; 3],
}

/// What is left of an account's quota, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Calls left.
    pub remaining: u64,
    /// So many of them are not for this priority.
    pub kept: [u64; 3],
    /// It holds until the day changes.
    pub until: UnixMs,
}

impl Allowance {
    /// As long as WeChat was not asked again, what may not be left any more is not for those who leave something to others.
    #[must_use]
    fn for_the_first_alone(self) -> Self {
        let kept = self.kept.map(|kept| if kept > 0 { u64::MAX } else { 0 });
        Self { kept, ..self }
    }

    /// How many more calls of a priority may begin, while so many are under way.
    #[must_use]
    pub fn room(&self, priority: Priority, in_flight: usize) -> usize {
        let kept = self.kept[priority as usize];
        let left = usize::try_from(self.remaining.saturating_sub(kept)).unwrap_or(usize::MAX);
        left.saturating_sub(in_flight)
    }
}

/// The quotas of all accounts.
pub struct Quotas {
    parts: Parts,
    accounts: ByAccount<Account>,
}

struct Account {
    habit: Mutex<Habit>,
    held: Mutex<Held>,
    /// Something happened that had better be looked at now.
    nudge: Notify,
    /// One clearing at a time, so that none is counted twice.
    clearing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    record: QuotaRecord,
    /// When sending found the quota spent; not known of a former process.
    spent_at: ByKind<Option<UnixMs>>,
    counts: ByKind<Count>,
    /// Polls that failed since one went well.
    failing: u32,
    /// Why WeChat's word is missing or old.
    error: Option<String>,
}

/// An account's quota, for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaView {
    /// WeChat's last word of today on each kind, carried on by counting.
    pub today: ByKind<Option<Today>>,
    /// When WeChat took the last message of a kind, since this process began.
    pub sent_at: ByKind<Option<UnixMs>>,
    /// Kinds besides template messages that WeChat does not take, for want of quota or because it does not grant them.
    pub refused: ByKind<Option<KindHold>>,
    /// Why WeChat's word is missing or old, if the last poll failed.
    pub error: Option<String>,
    /// Until when WeChat refuses a kind for want of quota.
    pub spent: ByKind<Option<UnixMs>>,
    /// How often it may still be cleared this month, as far as this gateway knows.
    pub clearings_left: u8,
    /// When the day changes.
    pub renewed_at: UnixMs,
}

impl QuotaView {
    /// What is known of today, by kind.
    pub fn known(&self) -> impl Iterator<Item = (Kind, Today)> {
        let each = Kind::ALL.iter().copied().zip(self.today);
        each.filter_map(|(kind, today)| Some((kind, today?)))
    }
}

impl Account {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn habit(&self) -> Habit {
        *self.habit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quotas {
    /// A keeper for these accounts; reads what was kept of them, and stops what was found spent.
    pub async fn open(
        parts: Parts,
        accounts: impl IntoIterator<Item = (AccountName, Habit)>,
    ) -> Result<Arc<Self>, StoreError> {
        let quotas = Self {
            parts,
            accounts: ByAccount::default(),
        };
        for (name, habit) in accounts {
            quotas.add(name, habit).await?;
        }
        Ok(Arc::new(quotas))
    }

    /// Takes one more account on, which has its lane already; reads what was kept of it, and stops it if that was spent.
    pub async fn add(&self, name: AccountName, habit: Habit) -> Result<(), StoreError> {
        let parts = &self.parts;
        let now = parts.clock.now();
        let record = parts.book.quota(&name).await?;
        let taken = self.taken(&name, now);
        for kind in Kind::ALL.iter().copied() {
            let told = record.told(kind);
            // Where WeChat said that nothing is left, the allowance holds back all but what is in doubt.
            let today = record.told_today(kind, now);
            let nothing_left = today.is_some_and(|told| told.remaining == 0);
            if let Some(until) = record.spent(kind, now)
                && !(kind == Kind::Template && nothing_left)
            {
                parts.slots.stop_until(&name, kind, until, now);
            }
            // What was sent since WeChat said so is not known yet.
            let allowance = told.and_then(|told| told.allowance(&habit, 0, now));
            let allowance = allowance.map(Allowance::for_the_first_alone);
            parts.slots.allow(&name, kind, allowance);
        }
        if let Some(until) = record.spent(Kind::Template, now) {
            watch::tell_spent(parts, &name, until);
        }
        parts.news.add(name.clone());
        let held = Held {
            record,
            counts: taken.map(Count::since),
            ..Held::default()
        };
        let account = Account {
            habit: Mutex::new(habit),
            held: Mutex::new(held),
            nudge: Notify::new(),
            clearing: tokio::sync::Mutex::new(()),
        };
        self.accounts.insert(name, account);
        Ok(())
    }

    /// Lets go of an account that nobody watches any more.
    pub fn remove(&self, account: &AccountName) {
        self.accounts.remove(account);
        self.parts.news.remove(account);
    }

    /// The account's quota is kept so from the next word of WeChat on, which is asked for at once.
    pub fn change(&self, account: &AccountName, habit: Habit) {
        if let Some(found) = self.accounts.get(account) {
            *found.habit.lock().unwrap_or_else(PoisonError::into_inner) = habit;
            found.nudge.notify_one();
        }
    }

    /// What an operator sees.
    #[must_use]
    pub fn view(&self, account: &AccountName) -> Option<QuotaView> {
        let now = self.parts.clock.now();
        let found = self.accounts.get(account)?;
        let lane = self.parts.slots.lane(account, now);
        let (taken, sent_at, refused) = lane
            .map(|lane| (lane.taken, lane.taken_at, lane.kinds))
            .unwrap_or_default();
        let held = found.held();
        Some(QuotaView {
            today: held.today(taken, now),
            sent_at,
            refused,
            error: held.error.clone(),
            spent: std::array::from_fn(|nth| held.record.spent(Kind::ALL[nth], now)),
            clearings_left: held.record.clearings_left(now),
            renewed_at: now.next_beijing_midnight(),
        })
    }

    fn taken(&self, account: &AccountName, now: UnixMs) -> ByKind<u64> {
        let lane = self.parts.slots.lane(account, now);
        lane.map(|lane| lane.taken).unwrap_or_default()
    }
}

impl Held {
    fn today(&self, taken: ByKind<u64>, now: UnixMs) -> ByKind<Option<Today>> {
        std::array::from_fn(|nth| {
            let told = self.record.told_today(Kind::ALL[nth], now)?;
            Some(self.counts[nth].today(told, taken[nth], now))
        })
    }
}
