//! What happens and how things stand, as the metrics of the contract.
//! It must not decide anything, and its labels hold nothing that a stranger can invent.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::{AccountName, Reason, Status};
use hongyan_courier::observer::{Event, Observer};
use hongyan_courier::port::{Depth, Ledger};
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_store::sqlite::Watch;
use metrics::{counter, gauge, histogram};
use tokio_util::sync::CancellationToken;

use crate::condition::{Conditions, State};
use crate::telemetry::prometheus::{Metrics, UPKEEP_INTERVAL};

/// Counts what happens.
#[derive(Clone, Copy, Debug)]
pub struct Meter;

impl Observer for Meter {
    fn observe(&self, event: &Event) {
        match event {
            Event::Accepted { account, .. } => moved(account, Status::Queued, None),
            Event::Moved {
                account,
                status,
                reason,
                ..
            } => moved(account, *status, *reason),
            Event::Called {
                account,
                errcode,
                took,
                ..
            } => {
                let errcode = errcode.map_or_else(|| "none".to_owned(), |code| code.to_string());
                let labels = [("account", account.to_string()), ("errcode", errcode)];
                histogram!("hongyan_send_duration_seconds", &labels).record(took.as_secs_f64());
            }
            Event::TokenFetched {
                account,
                expires_at,
            } => fetched(account, *expires_at),
            Event::Receipt { .. } | Event::Standing { .. } => {}
        }
    }
}

/// Times the store's queries.
#[derive(Clone, Copy, Debug)]
pub struct StoreMeter;

impl Watch for StoreMeter {
    fn query(&self, name: &'static str, took: Duration) {
        histogram!("hongyan_store_query_duration_seconds", "query" => name)
            .record(took.as_secs_f64());
    }

    fn commit(&self, _operations: usize, took: Duration) {
        histogram!("hongyan_store_query_duration_seconds", "query" => "commit")
            .record(took.as_secs_f64());
    }
}

fn moved(account: &AccountName, status: Status, reason: Option<Reason>) {
    counter!(
        "hongyan_messages_total",
        "account" => account.to_string(),
        "status" => status.as_str(),
        "reason" => reason.map_or("", Reason::as_str),
    )
    .increment(1);
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

/// What is looked at from time to time.
pub struct Gauges {
    pub ledger: Arc<dyn Ledger>,
    pub slots: Arc<Slots>,
    pub conditions: Arc<Conditions>,
    pub accounts: Vec<AccountName>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Metrics,
}

/// How often the gauges are set.
const EVERY: Duration = UPKEEP_INTERVAL;

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
        for account in &self.accounts {
            let (condition, _) = self.conditions.of(account);
            let degraded = condition.state != State::Ok;
            gauge!("hongyan_degraded", "part" => format!("account:{account}"))
                .set(f64::from(u8::from(degraded)));
        }
        let now = self.clock.now();
        match self.ledger.depths(now).await {
            Ok(depths) => self.queue(&depths, now),
            Err(error) => tracing::warn!(%error, "cannot measure the queue"),
        }
    }

    fn queue(&self, depths: &[Depth], now: UnixMs) {
        let past_due: u64 = depths.iter().map(|depth| depth.past_due).sum();
        gauge!("hongyan_past_due_messages").set(count(past_due));
        for account in &self.accounts {
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
