//! Sender slots: the node's, shared out fairly between accounts, one per recipient at a time. A slot is free for the next
//! message once its own's settlement is on the way to the store, and its lease is forgotten when that is durable.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::lane::{Health, Lane};
use super::share::shares;
use super::table::Table;
use crate::delivery::LeaseRef;
use crate::message::{AccountName, Content, Kind};
use crate::port::{Claim, NodeEpoch};
use crate::quiet::QuietHours;
use crate::rate::PerSecond;
use crate::recipient::RecipientLimit;
use crate::time::UnixMs;

/// The node's sender slots.
#[derive(Debug)]
pub struct Slots {
    table: Mutex<Table>,
    /// Of the accounts that have any.
    hours: RwLock<HashMap<AccountName, Arc<QuietHours>>>,
    wake: Notify,
}

/// A slot that is taken, and the lease of its message; dropped, both are free.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    lane: usize,
    recipient: Option<String>,
    lease: Option<LeaseRef>,
    /// It counts as taken.
    counts: bool,
    pub(super) probe: bool,
}

/// Slots taken for a claim that is about to be made.
pub(super) struct Round {
    pub(super) claim: Claim,
    pub(super) lane: usize,
    pub(super) slots: Vec<Slot>,
    /// How many may begin is for the limiter to say.
    pub(super) rate: Option<PerSecond>,
}

impl Slots {
    /// `total` slots for these accounts, each with its own cap.
    #[must_use]
    pub fn new(
        total: usize,
        accounts: impl IntoIterator<Item = (AccountName, usize)>,
    ) -> Arc<Self> {
        let table = Table {
            total,
            taken: 0,
            lanes: Vec::new(),
            by_account: HashMap::new(),
            cursor: 0,
            busy: HashSet::new(),
            leases: HashSet::new(),
            epoch: None,
            draining: false,
        };
        let slots = Arc::new(Self {
            table: Mutex::new(table),
            hours: RwLock::default(),
            wake: Notify::new(),
        });
        for (account, cap) in accounts {
            slots.enlist(&account, cap, None);
        }
        slots
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with_lane<T>(
        &self,
        account: &AccountName,
        act: impl FnOnce(&mut Lane) -> T,
    ) -> Option<T> {
        let mut table = self.table();
        let lane = *table.by_account.get(account)?;
        Some(act(&mut table.lanes[lane]))
    }

    /// Gives an account a lane, or its lane another cap and other quiet hours. What one that was retired knows of its rate
    /// and its failures still holds.
    pub fn enlist(&self, account: &AccountName, cap: usize, hours: Option<Arc<QuietHours>>) {
        let mut table = self.table();
        let known = table.lanes.iter().position(|lane| lane.account == *account);
        let nth = known.unwrap_or_else(|| {
            table.lanes.push(Lane::new(account.clone(), cap));
            table.lanes.len() - 1
        });
        table.by_account.insert(account.clone(), nth);
        let lane = &mut table.lanes[nth];
        lane.enlist(cap);
        lane.gate.keep_hours(hours.clone());
        table.bound();
        drop(table);
        let mut all = self.hours.write().unwrap_or_else(PoisonError::into_inner);
        match hours {
            Some(hours) => all.insert(account.clone(), hours),
            None => all.remove(account),
        };
        drop(all);
        self.wake();
    }

    pub(super) fn hours_of(&self, account: &AccountName) -> Option<Arc<QuietHours>> {
        let all = self.hours.read().unwrap_or_else(PoisonError::into_inner);
        all.get(account).cloned()
    }

    /// Begins no more calls for an account; those under way go on. Its messages wait in the store.
    pub fn retire(&self, account: &AccountName) {
        let mut table = self.table();
        if let Some(nth) = table.by_account.remove(account) {
            table.lanes[nth].retire();
            table.bound();
        }
    }

    /// How many calls of an account are under way, whether it was retired or not.
    #[must_use]
    pub fn under_way(&self, account: &AccountName) -> usize {
        let table = self.table();
        let mut lanes = table.lanes.iter();
        let lane = lanes.find(|lane| lane.account == *account);
        lane.map_or(0, |lane| lane.in_flight)
    }

    /// Says how often an account may write to one recipient. Its messages are all claimed from then on, and none goes out
    /// as it is stored: only a claim looks at what the recipient got lately.
    pub fn limit_recipients(&self, account: &AccountName, limits: Vec<RecipientLimit>) {
        let mut table = self.table();
        if let Some(&lane) = table.by_account.get(account) {
            table.lanes[lane].limits = limits.into();
        }
    }

    /// Whoever claims looks again.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// A message of this account waits in the store from `due` on.
    pub fn waiting(&self, account: &AccountName, due: UnixMs, now: UnixMs) {
        let mut table = self.table();
        if let Some(&lane) = table.by_account.get(account) {
            table.lanes[lane].waiting(due, now);
            drop(table);
            self.wake();
        }
    }

    /// A slot for a message that comes in now, if one is free and nothing older is due.
    pub(super) fn take_for_new(
        self: &Arc<Self>,
        content: &Content,
        now: UnixMs,
    ) -> Option<(Slot, NodeEpoch)> {
        let mut table = self.table();
        if table.draining || table.free() == 0 {
            return None;
        }
        let epoch = table.epoch.clone()?;
        let nth = *table.by_account.get(&content.account)?;
        let lane = &mut table.lanes[nth];
        lane.look(now);
        let open = lane.limits.is_empty()
            && lane.is_clear(now)
            && lane.capacity(now) > 0
            && lane.gate.lets_pass(content.priority, lane.in_flight);
        let open = open && !table.yields(&table.lanes[nth], now);
        if !open || !table.busy.insert((nth, content.touser.clone())) {
            return None;
        }
        let recipient = Some(content.touser.clone());
        Some((self.take(&mut table, nth, recipient, now), epoch))
    }

    fn take(
        self: &Arc<Self>,
        table: &mut Table,
        lane: usize,
        recipient: Option<String>,
        now: UnixMs,
    ) -> Slot {
        table.taken += 1;
        let probe = table.lanes[lane].is_closed();
        table.lanes[lane].took(now);
        Slot {
            slots: Arc::clone(self),
            lane,
            recipient,
            lease: None,
            counts: true,
            probe,
        }
    }

    /// Shares the free slots out between the lanes that want them, beginning where the last round ended.
    pub(super) fn plan(
        self: &Arc<Self>,
        ready: impl Fn(&AccountName) -> bool,
        poll: Duration,
        now: UnixMs,
    ) -> Vec<Round> {
        let mut table = self.table();
        let Some(by) = table
            .epoch
            .clone()
            .filter(|_| !table.draining && table.free() > 0)
        else {
            return Vec::new();
        };
        let count = table.lanes.len();
        table.lanes.iter_mut().for_each(|lane| lane.look(now));
        let wanting = (0..count).map(|i| (table.cursor + i) % count).filter(|&i| {
            let lane = &table.lanes[i];
            lane.wants(now, poll) && !table.yields(lane, now) && ready(&lane.account)
        });
        let shared_out = table.share_out(wanting.collect(), now);
        let mut rounds = Vec::new();
        for (lane, limit) in shared_out {
            table.cursor = (lane + 1) % count;
            let at_most = table.lanes[lane].gate.at_most(table.lanes[lane].in_flight);
            let slots = (0..limit)
                .map(|_| self.take(&mut table, lane, None, now))
                .collect();
            let busy = table
                .busy
                .iter()
                .filter(|(l, _)| *l == lane)
                .map(|(_, openid)| openid.clone())
                .collect();
            let found = &mut table.lanes[lane];
            found.looking(now);
            let claim = Claim {
                by: by.clone(),
                account: found.account.clone(),
                shares: shares(limit, found.turn),
                at_most,
                busy,
                limits: Arc::clone(&found.limits),
                probe: found.is_closed(),
            };
            found.turn = found.turn.wrapping_add(limit);
            rounds.push(Round {
                rate: found.gate.pace.limit().filter(|_| !found.is_closed()),
                claim,
                lane,
                slots,
            });
        }
        rounds
    }

    pub(super) fn looked(&self, lane: usize, more: bool, next_due: Option<UnixMs>, now: UnixMs) {
        self.table().lanes[lane].looked(more, next_due, now);
    }

    /// Gives back all slots of a round but so many. Whose turn the others would have been, comes first the next time.
    pub(super) fn keep(&self, round: &mut Round, count: usize) {
        let unused = round.slots.len().saturating_sub(count);
        if unused > 0 {
            round.slots.truncate(count);
            let lane = &mut self.table().lanes[round.lane];
            lane.turn = lane.turn.wrapping_sub(unused);
            round.claim.shares = shares(count, lane.turn.wrapping_sub(count));
        }
    }

    /// The rate allows a lane nothing more until then.
    pub(super) fn paced(&self, lane: usize, until: UnixMs) {
        self.table().lanes[lane].paced(until);
    }

    /// When to look again although nothing happens in between.
    pub(super) fn next_look(
        &self,
        ready: impl Fn(&AccountName) -> bool,
        poll: Duration,
        now: UnixMs,
    ) -> UnixMs {
        let table = self.table();
        if table.free() == 0 || table.draining || table.epoch.is_none() {
            return UnixMs(i64::MAX);
        }
        let looks = table
            .lanes
            .iter()
            // A slot that comes back has it looked again.
            .filter(|lane| !table.yields(lane, now) && ready(&lane.account))
            .map(|lane| lane.next_look(poll));
        looks.min().unwrap_or(UnixMs(i64::MAX))
    }

    /// Takes note of how a call went. Answers whether the account's lane opened or closed by it.
    pub(super) fn record(
        &self,
        account: &AccountName,
        ended: &Ended,
        now: UnixMs,
    ) -> Option<LaneTurn> {
        self.with_lane(account, |lane| {
            lane.count(ended, now);
            let turned = lane.record(ended.health, ended.probe, now);
            turned.then_some(if lane.is_closed() {
                LaneTurn::Closed
            } else {
                LaneTurn::Opened
            })
        })
        .flatten()
    }

    /// The leases whose messages are in this node's hands.
    #[must_use]
    pub fn in_flight(&self) -> Vec<LeaseRef> {
        self.table().leases.iter().copied().collect()
    }

    /// How many of the slots are taken, between 0 and 1.
    #[must_use]
    pub fn busy_ratio(&self) -> f64 {
        let table = self.table();
        #[expect(clippy::cast_precision_loss, reason = "a handful of slots")]
        let ratio = table.taken.min(table.total) as f64 / table.total.max(1) as f64;
        ratio
    }

    /// The node's epoch, from its heartbeat; without one nothing is claimed.
    pub fn set_epoch(&self, epoch: Option<NodeEpoch>) {
        let changed = {
            let mut table = self.table();
            std::mem::replace(&mut table.epoch, epoch.clone()) != epoch
        };
        if changed {
            self.wake();
        }
    }

    pub(super) fn epoch(&self) -> Option<i64> {
        self.table().epoch.as_ref().map(|by| by.epoch)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.table().draining
    }

    /// Takes nothing more.
    pub fn drain(&self) {
        self.table().draining = true;
        self.wake();
    }
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) health: Health,
    pub(super) accepted: bool,
    /// Out of whose quota it was made.
    pub(super) kind: Kind,
    pub(super) probe: bool,
    pub(super) began: UnixMs,
}

/// A lane opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneTurn {
    Opened,
    Closed,
}

impl Slot {
    /// Fills the slot with a leased message. Answers false if its recipient has a call under way.
    pub(super) fn fill(&mut self, lease: LeaseRef, openid: &str) -> bool {
        let mut table = self.slots.table();
        if self.recipient.is_none() {
            if !table.busy.insert((self.lane, openid.to_owned())) {
                return false;
            }
            self.recipient = Some(openid.to_owned());
        }
        table.leases.insert(lease);
        self.lease = Some(lease);
        true
    }

    /// Its call is over, and whoever claims next asks the store after the settlement: another message may go.
    pub(super) fn vacate(&mut self) {
        let slots = Arc::clone(&self.slots);
        let mut table = slots.table();
        if self.free(&mut table) {
            drop(table);
            slots.wake();
        }
    }

    /// Its settlement failed. It counts again until that is durable, so that a store that takes none gets no more calls.
    pub(super) fn occupy(&mut self) {
        if !self.counts {
            self.counts = true;
            let mut table = self.slots.table();
            table.taken += 1;
            table.lanes[self.lane].in_flight += 1;
        }
    }

    /// Answers whether somebody waits for it.
    fn free(&mut self, table: &mut Table) -> bool {
        if let Some(openid) = self.recipient.take() {
            table.busy.remove(&(self.lane, openid));
        }
        if !std::mem::take(&mut self.counts) {
            return false;
        }
        table.taken -= 1;
        table.lanes[self.lane].in_flight -= 1;
        table.lanes.iter().any(Lane::has_more) || table.lanes[self.lane].is_closed()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let slots = Arc::clone(&self.slots);
        let mut table = slots.table();
        if let Some(lease) = self.lease.take() {
            table.leases.remove(&lease);
        }
        if self.free(&mut table) {
            drop(table);
            slots.wake();
        }
    }
}
