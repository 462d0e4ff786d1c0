//! What happens and how things stand, as the metrics of the contract.
//! It must not decide anything, and its labels hold nothing that a stranger can invent.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use hongyan_courier::broadcast::port::Broadcasts;
use hongyan_courier::broadcast::{Broadcast, State as BroadcastState};
use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::{AccountName, Kind, Reason, Status};
use hongyan_courier::observer::{Event, Observer, Sought, Tier};
use hongyan_courier::port::{Depth, Ledger};
use hongyan_courier::quota::{QuotaView, Quotas};
use hongyan_courier::retention::Old;
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_courier::webhook::{Outbox, Sender, Verdict};
use hongyan_store::sqlite::{Connections, Watch};
use hongyan_wechat::client::Outcome;
use hongyan_wechat::errcode::Endpoint;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use tokio_util::sync::CancellationToken;

use crate::api::accounts::{Accounts, Known};
use crate::condition::{Conditions, State};
use crate::telemetry::prometheus::{Metrics, UPKEEP_INTERVAL};

/// Handles of one metric by their labels, so that the hot path finds them without making strings.
struct Family<K, H> {
    handles: RwLock<HashMap<K, H>>,
    register: fn(&K) -> H,
}

impl<K: Eq + Hash, H: Clone> Family<K, H> {
    fn new(register: fn(&K) -> H) -> Self {
        Self {
            handles: RwLock::default(),
            register,
        }
    }

    fn of(&self, labels: K) -> H {
        let known = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(&labels) {
            return handle.clone();
        }
        drop(known);
        let handle = (self.register)(&labels);
        let mut known = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(labels).or_insert(handle).clone()
    }
}

/// Counts what happens.
pub struct Meter {
    moved: Family<(AccountName, Status, Option<Reason>), Counter>,
    called: Family<(AccountName, Option<i64>), Histogram>,
    sought: Family<(&'static str, &'static str), Counter>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            moved: Family::new(|(account, status, reason)| {
                counter!(
                    "hongyan_messages_total",
                    "account" => account.to_string(),
                    "status" => status.as_str(),
                    "reason" => reason.map_or("", Reason::as_str),
                )
            }),
            called: Family::new(|(account, errcode)| {
                let errcode = errcode.map_or_else(|| "none".to_owned(), |code| code.to_string());
                let labels = [("account", account.to_string()), ("errcode", errcode)];
                histogram!("hongyan_send_duration_seconds", &labels)
            }),
            sought: Family::new(
                |(tier, result)| counter!("hongyan_token_cache_requests_total", "tier" => *tier, "result" => *result),
            ),
        }
    }
}

impl Meter {
    fn moved(&self, account: &AccountName, status: Status, reason: Option<Reason>) {
        self.moved
            .of((account.clone(), status, reason))
            .increment(1);
    }
}

impl Observer for Meter {
    fn observe(&self, event: &Event) {
        match event {
            Event::Accepted { account, .. } => self.moved(account, Status::Queued, None),
            Event::Moved {
                account,
                status,
                reason,
                ..
            } => self.moved(account, *status, *reason),
            Event::Called {
                account,
                errcode,
                took,
                ..
            } => self
                .called
                .of((account.clone(), *errcode))
                .record(took.as_secs_f64()),
            Event::TokenFetched {
                account,
                expires_at,
            } => fetched(account, *expires_at),
            Event::Suppressed { account, reason } => counter!(
                "hongyan_suppressions_total",
                "account" => account.to_string(),
                "reason" => reason.as_str(),
            )
            .increment(1),
            Event::TemplatesSynced { account, at } => synced(account, *at),
            Event::TemplatesStopped { account, count } => {
                gauge!("hongyan_templates_stopped", "account" => account.to_string())
                    .set(self::count(*count as u64));
            }
            Event::Receipt { .. } | Event::Standing { .. } | Event::KindGoesOn { .. } => {}
        }
    }

    fn token_sought(&self, tier: Tier, sought: Sought) {
        let tier = match tier {
            Tier::Local => "local",
            Tier::Shared => "shared",
        };
        let result = match sought {
            Sought::Hit => "hit",
            Sought::Miss => "miss",
            Sought::Error => "error",
        };
        self.sought.of((tier, result)).increment(1);
    }

    fn pruned(&self, what: Old, count: usize) {
        counter!("hongyan_pruned_total", "what" => what.as_str()).increment(count as u64);
    }

    fn webhook_tried(&self, webhook: &str, verdict: &Verdict) {
        let result = match verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again { .. } => "again",
            Verdict::GivenUp { .. } => "given_up",
            Verdict::Gone { .. } => "gone",
        };
        let webhook = webhook.to_owned();
        counter!("hongyan_webhook_posts_total", "webhook" => webhook, "result" => result)
            .increment(1);
    }
}

/// Times the store's queries.
pub struct StoreMeter(Family<&'static str, Histogram>);

impl Default for StoreMeter {
    fn default() -> Self {
        Self(Family::new(
            |query| histogram!("hongyan_store_query_duration_seconds", "query" => *query),
        ))
    }
}

impl Watch for StoreMeter {
    fn query(&self, name: &'static str, took: Duration) {
        self.0.of(name).record(took.as_secs_f64());
    }

    fn commit(&self, _operations: usize, took: Duration) {
        self.0.of("commit").record(took.as_secs_f64());
    }
}

/// Times WeChat's answers by endpoint, for the client's layer: token and template calls too, not sends alone.
pub fn call_times() -> impl Fn(Endpoint, Outcome, Duration) + Send + Sync + 'static {
    let family = Family::new(
        |(path, outcome): &(&'static str, &'static str)| histogram!("hongyan_wechat_call_duration_seconds", "path" => *path, "outcome" => *outcome),
    );
    move |endpoint, outcome, took| {
        family
            .of((endpoint.path(), outcome.name()))
            .record(took.as_secs_f64());
    }
}

fn fetched(account: &AccountName, expires_at: Option<UnixMs>) {
    let result = if expires_at.is_some() { "ok" } else { "failed" };
    counter!("hongyan_token_refreshes_total", "account" => account.to_string(), "result" => result)
        .increment(1);
    if let Some(at) = expires_at {
        gauge!("hongyan_token_expires_timestamp_seconds", "account" => account.to_string())
            .set(seconds(at.0));
    }
}

fn synced(account: &AccountName, at: Option<UnixMs>) {
    let result = if at.is_some() { "ok" } else { "failed" };
    counter!("hongyan_template_syncs_total", "account" => account.to_string(), "result" => result)
        .increment(1);
    if let Some(at) = at {
        gauge!("hongyan_templates_synced_timestamp_seconds", "account" => account.to_string())
            .set(seconds(at.0));
    }
}

/// What is looked at from time to time.
pub struct Gauges {
    pub ledger: Arc<dyn Ledger>,
    pub outbox: Arc<dyn Outbox>,
    pub broadcasts: Arc<dyn Broadcasts>,
    /// None where this process posts no events.
    pub sender: Option<Arc<Sender>>,
    /// How the store's connections are used.
    pub connections: Box<dyn Fn() -> Connections + Send + Sync>,
    pub slots: Arc<Slots>,
    pub quotas: Arc<Quotas>,
    pub conditions: Arc<Conditions>,
    /// Those that are configured at the time.
    pub accounts: Arc<ArcSwap<Accounts>>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
}

/// How often the gauges are set.
const EVERY: Duration = UPKEEP_INTERVAL;
/// A store that says nothing for so long is not well, and must not hold up what else is measured.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

impl Gauges {
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            self.set().await;
            self.metrics.upkeep();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn set(&self) {
        gauge!("hongyan_workers_busy_ratio").set(self.slots.busy_ratio());
        let Connections { busy, idle } = (self.connections)();
        for (state, connections) in [("busy", busy), ("idle", idle)] {
            gauge!("hongyan_store_pool_connections", "state" => state)
                .set(count(connections as u64));
        }
        for Known { name: account, .. } in self.accounts.load().every() {
            let (condition, _) = self.conditions.of(account);
            degraded(format!("account:{account}"), condition.state != State::Ok);
            self.limits(account);
        }
        if let Some(sender) = &self.sender {
            self.webhooks(sender).await;
        }
        let ready = tokio::time::timeout(STORE_PATIENCE, self.ledger.ready()).await;
        degraded("store".to_owned(), !matches!(ready, Ok(Ok(()))));
        let now = self.clock.now();
        match self.ledger.depths(now).await {
            Ok(depths) => self.queue(&depths, now),
            Err(error) => tracing::warn!(%error, "cannot measure the queue"),
        }
        match self.broadcasts.alive(now).await {
            Ok(alive) => {
                let accounts = self.accounts.load();
                let names: Vec<AccountName> =
                    accounts.every().map(|known| known.name.clone()).collect();
                broadcasts(&names, &alive, now);
            }
            Err(error) => tracing::warn!(%error, "cannot measure the broadcasts"),
        }
    }

    /// What is left of an account's quota, and how fast it may send; without a limit that is +Inf.
    fn limits(&self, account: &AccountName) {
        let known = self.quotas.view(account);
        for (kind, today) in known.iter().flat_map(QuotaView::known) {
            let (remaining, limit) = (count(today.remaining), count(today.limit));
            if kind == Kind::Template {
                gauge!("hongyan_quota_remaining", "account" => account.to_string()).set(remaining);
                gauge!("hongyan_quota_limit", "account" => account.to_string()).set(limit);
            }
            let labels = [("account", account.to_string()), ("kind", kind.to_string())];
            gauge!("hongyan_kind_quota_remaining", &labels).set(remaining);
            gauge!("hongyan_kind_quota_limit", &labels).set(limit);
        }
        if let Some(lane) = self.slots.lane(account, self.clock.now()) {
            gauge!("hongyan_send_rate_limit", "account" => account.to_string())
                .set(lane.rate.map_or(f64::INFINITY, |rate| rate.0));
        }
    }

    async fn webhooks(&self, sender: &Sender) {
        let backlogs = match self.outbox.backlogs().await {
            Ok(backlogs) => backlogs,
            Err(error) => return tracing::warn!(%error, "cannot measure the webhooks"),
        };
        let now = self.clock.now();
        for backlog in backlogs {
            let name = backlog.webhook;
            let age = backlog.oldest.map_or(Duration::ZERO, |at| now.since(at));
            gauge!("hongyan_webhook_oldest_seconds", "webhook" => name.clone())
                .set(age.as_secs_f64());
            for (state, events) in [("waiting", backlog.waiting), ("failed", backlog.failed)] {
                gauge!("hongyan_webhook_events", "webhook" => name.clone(), "state" => state)
                    .set(count(events));
            }
            let failing = sender.condition(&name).open_until.is_some();
            let is = failing || backlog.off_since.is_some();
            degraded(format!("webhook:{name}"), is);
        }
    }

    fn queue(&self, depths: &[Depth], now: UnixMs) {
        let past_due: u64 = depths.iter().map(|depth| depth.past_due).sum();
        gauge!("hongyan_past_due_messages").set(count(past_due));
        for Known { name: account, .. } in self.accounts.load().every() {
            let of_account = || depths.iter().filter(|depth| depth.account == *account);
            for priority in hongyan_courier::message::Priority::ALL {
                let queued: u64 = of_account()
                    .filter(|d| d.priority == *priority)
                    .map(|d| d.queued)
                    .sum();
                gauge!(
                    "hongyan_queue_depth",
                    "account" => account.to_string(),
                    "priority" => priority.as_str(),
                )
                .set(count(queued));
            }
            let oldest = of_account().filter_map(|depth| depth.oldest_due).min();
            let age = oldest.map_or(Duration::ZERO, |due| now.since(due));
            gauge!("hongyan_queue_oldest_seconds", "account" => account.to_string())
                .set(age.as_secs_f64());
        }
    }
}

/// How many broadcasts of each account are under way, and how far they are together. A broadcast's id is no label: there is
/// no end of them.
fn broadcasts(accounts: &[AccountName], alive: &[Broadcast], now: UnixMs) {
    for account in accounts {
        let of = |state| {
            let all = alive.iter();
            all.filter(move |one| one.state == state && one.order.account == *account)
        };
        for state in [BroadcastState::Running, BroadcastState::Paused] {
            gauge!("hongyan_broadcasts", "account" => account.to_string(), "status" => state.as_str())
                .set(count(of(state).count() as u64));
        }
        let sum = |rows: fn(&Broadcast, UnixMs) -> u64| -> u64 {
            let under_way = of(BroadcastState::Running).chain(of(BroadcastState::Paused));
            under_way.map(|one| rows(one, now)).sum()
        };
        let rows: [(&str, u64); 10] = [
            (
                "remaining",
                sum(|one, now| one.rows_left() - one.rows_expired(now)),
            ),
            ("waiting", sum(|one, _| one.progress.waiting())),
            ("sent", sum(|one, _| one.progress.sent)),
            ("delivered", sum(|one, _| one.progress.delivered)),
            ("failed", sum(|one, _| one.progress.failed)),
            ("suppressed", sum(|one, _| one.progress.suppressed)),
            ("cancelled", sum(|one, _| one.progress.cancelled)),
            (
                "expired",
                sum(|one, now| one.progress.expired + one.rows_expired(now)),
            ),
            ("unconfirmed", sum(|one, _| one.progress.unconfirmed)),
            ("refused", sum(|one, _| one.progress.refused)),
        ];
        for (state, rows) in rows {
            gauge!("hongyan_broadcast_rows", "account" => account.to_string(), "state" => state)
                .set(count(rows));
        }
    }
}

/// So many events wait on the spool because the store is slow or away.
pub fn spooled_events(waiting: usize) {
    gauge!("hongyan_spooled_events").set(count(waiting as u64));
    degraded("receipts".to_owned(), waiting > 0);
}

/// The account is not configured any more, so nothing is wrong with it.
pub fn forget(account: &AccountName) {
    degraded(format!("account:{account}"), false);
}

fn degraded(part: String, is: bool) {
    gauge!("hongyan_degraded", "part" => part).set(f64::from(u8::from(is)));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact to 2^53, and a gauge is a float"
)]
fn count(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact for every year anyone will see"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
