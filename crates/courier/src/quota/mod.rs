//! The quota keeper: how much of the day an account has sent, and what is left for whom. WeChat is asked now and then;
//! in between its word is carried on by counting. What stopped an account, and what was cleared, survives a restart.

mod calendar;
mod clear;
mod news;
mod record;
mod watch;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use calendar::{CLEARINGS_A_MONTH, month_end, renewed_after};
pub use clear::{ClearError, Cleared};
pub use news::QuotaNews;
pub use record::{QuotaRecord, Told};

use crate::by_account::ByAccount;
use crate::dispatch::Slots;
use crate::message::{AccountName, Priority};
use crate::observer::Observer;
use crate::port::StoreError;
use crate::port::quota::{QuotaBook, QuotaDesk};
use crate::time::{Clock, UnixMs};
use crate::token::Keeper;

/// The pace is that of so long a time.
const PACE_WINDOW: Duration = Duration::from_secs(3_600);

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
    spent_at: Option<UnixMs>,
    /// What the lane had sent when WeChat was asked.
    base: u64,
    /// How many were used when, oldest first.
    samples: VecDeque<(UnixMs, u64)>,
    /// Polls that failed since one went well, and what was said last.
    failing: u32,
    error: Option<String>,
}

/// An account's quota, for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaView {
    /// WeChat's last word of today, carried on by counting.
    pub today: Option<Today>,
    /// Why WeChat's word is missing or old, if the last poll failed.
    pub error: Option<String>,
    /// WeChat refuses for want of quota; tried again then.
    pub spent_until: Option<UnixMs>,
    /// How often it may still be cleared this month, as far as this gateway knows.
    pub clearings_left: u8,
    /// When the day changes.
    pub renewed_at: UnixMs,
}

/// What is known of today.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Today {
    /// Calls allowed.
    pub limit: u64,
    /// Calls made.
    pub used: u64,
    /// Calls left.
    pub remaining: u64,
    /// When WeChat said so.
    pub told_at: UnixMs,
    /// Calls an hour, lately.
    pub per_hour: u64,
    /// When it runs out at that pace; none if that is not today.
    pub runs_out_at: Option<UnixMs>,
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
        if let Some(until) = record.spent_until.filter(|until| now < *until) {
            parts.slots.stop_until(&name, until, now);
            watch::tell_spent(parts, &name, until);
        }
        let allowance = record.told.and_then(|told| told.allowance(&habit, 0, now));
        parts.slots.allow(&name, allowance);
        let held = Held {
            record,
            base: self.taken(&name, now),
            ..Held::default()
        };
        let account = Account {
            habit: Mutex::new(habit),
            held: Mutex::new(held),
            nudge: Notify::new(),
            clearing: tokio::sync::Mutex::new(()),
        };
        parts.news.add(name.clone());
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
        let taken = self.taken(account, now);
        let held = found.held();
        Some(QuotaView {
            today: held.today(taken, now),
            error: held.error.clone(),
            spent_until: held.record.spent_until.filter(|until| now < *until),
            clearings_left: held.record.clearings_left(now),
            renewed_at: now.next_beijing_midnight(),
        })
    }

    fn taken(&self, account: &AccountName, now: UnixMs) -> u64 {
        self.parts
            .slots
            .lane(account, now)
            .map_or(0, |lane| lane.taken)
    }
}

impl Held {
    fn today(&self, taken: u64, now: UnixMs) -> Option<Today> {
        let told = self.record.told.filter(|told| told.is_of_today(now))?;
        let since = taken.saturating_sub(self.base);
        let used = told.used.saturating_add(since);
        let remaining = told.remaining.saturating_sub(since);
        let per_hour = self.per_hour(used, now);
        let runs_out_at = calendar::runs_out_at(remaining, per_hour, now);
        Some(Today {
            limit: told.limit,
            used,
            remaining,
            told_at: told.at,
            per_hour,
            runs_out_at,
        })
    }

    fn per_hour(&self, used: u64, now: UnixMs) -> u64 {
        let Some((since, before)) = self.samples.front() else {
            return 0;
        };
        let passed = u64::try_from(now.since(*since).as_millis()).unwrap_or(u64::MAX);
        let sent = used.saturating_sub(*before);
        // A pace of less than a minute would say little.
        let hour = u64::try_from(PACE_WINDOW.as_millis()).unwrap_or(u64::MAX);
        sent.saturating_mul(hour) / passed.max(60_000)
    }

    /// Takes note of how many were used, for the pace; of another day than before, it begins anew.
    fn sample(&mut self, used: u64, now: UnixMs) {
        if self
            .samples
            .back()
            .is_some_and(|(_, before)| used < *before)
        {
            self.samples.clear();
        }
        self.samples.push_back((now, used));
        let old = now.minus(PACE_WINDOW);
        while self.samples.len() > 2 && self.samples[1].0 <= old {
            self.samples.pop_front();
        }
    }
}
