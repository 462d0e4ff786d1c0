//! An account's quota and sending, as `GET /v1/accounts` shows them, and `POST /v1/accounts/{name}/quota/clear`.
//! It must not decide what is sent.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hongyan_courier::UnixMs;
use hongyan_courier::dispatch::LaneView as Lane;
use hongyan_courier::message::{Kind, Priority};
use hongyan_courier::quota::{ClearError, QuotaView as Quota, Today};
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::accounts::AccountBook;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;
use crate::api::query::Query;

/// When a call that WeChat did not answer well may be made again.
const CLEAR_PAUSE: Duration = Duration::from_secs(30);

/// What is left of the day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub struct QuotaView {
    /// Template messages allowed today; none if WeChat has not said so yet.
    limit: Option<u64>,
    /// Those made today: WeChat's last word, carried on by counting.
    used: Option<u64>,
    remaining: Option<u64>,
    /// When WeChat said so.
    #[schema(value_type = Option<String>, format = DateTime)]
    told_at: Option<Moment>,
    /// Calls an hour, lately.
    per_hour: Option<u64>,
    /// When it runs out at that pace; none if that is not today.
    #[schema(value_type = Option<String>, format = DateTime)]
    runs_out_at: Option<Moment>,
    /// The same of each other kind that the account sends: WeChat gives each a quota of its own.
    other_kinds: Vec<KindQuota>,
    /// Messages that wait and are due today, by priority.
    queued_today: QueuedToday,
    /// When the day changes in Beijing.
    #[schema(value_type = String, format = DateTime)]
    renewed_at: Moment,
    /// WeChat refuses template messages for want of quota; tried again then.
    #[schema(value_type = Option<String>, format = DateTime)]
    spent_until: Option<Moment>,
    /// How often the quota may still be cleared this month, as far as this gateway knows.
    clearings_left: u8,
    /// Why WeChat's word is missing or old.
    error: Option<String>,
}

/// What is left of the day for a kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindQuota {
    /// `subscription`, `one_time_subscription`, `miniprogram_subscription`
    kind: &'static str,
    limit: u64,
    used: u64,
    remaining: u64,
    #[schema(value_type = String, format = DateTime)]
    told_at: Moment,
    per_hour: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    runs_out_at: Option<Moment>,
    #[schema(value_type = Option<String>, format = DateTime)]
    spent_until: Option<Moment>,
}

impl KindQuota {
    fn of(kind: Kind, today: Today, spent: Option<UnixMs>) -> Self {
        Self {
            kind: kind.as_str(),
            limit: today.limit,
            used: today.used,
            remaining: today.remaining,
            told_at: Moment(today.told_at),
            per_hour: today.per_hour,
            runs_out_at: today.runs_out_at.map(Moment),
            spent_until: spent.map(Moment),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedToday {
    high: u64,
    normal: u64,
    bulk: u64,
}

impl QuotaView {
    pub fn of(quota: Quota, queued: [u64; 3]) -> Self {
        let today = quota.today[Kind::Template as usize];
        let others = quota.known().filter(|(kind, _)| *kind != Kind::Template);
        let [high, normal, bulk] = queued;
        Self {
            limit: today.map(|today| today.limit),
            used: today.map(|today| today.used),
            remaining: today.map(|today| today.remaining),
            told_at: today.map(|today| Moment(today.told_at)),
            per_hour: today.map(|today| today.per_hour),
            runs_out_at: today.and_then(|today| today.runs_out_at).map(Moment),
            other_kinds: others
                .map(|(kind, today)| KindQuota::of(kind, today, quota.spent[kind as usize]))
                .collect(),
            queued_today: QueuedToday { high, normal, bulk },
            renewed_at: Moment(quota.renewed_at),
            spent_until: quota.spent[Kind::Template as usize].map(Moment),
            clearings_left: quota.clearings_left,
            error: quota.error,
        }
    }
}

/// How an account sends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sending)]
pub struct SendingView {
    /// `open`; `paused` until the next minute, because it went too fast; `closed`, because calls fail; `stopped`, because
    /// WeChat said that the account cannot send
    lane: &'static str,
    /// When it is tried again, where it is not open.
    #[schema(value_type = Option<String>, format = DateTime)]
    again_at: Option<Moment>,
    /// Calls under way.
    in_flight: usize,
    /// The rate in force, in calls a second; none if nothing limits it.
    rate: Option<f64>,
    /// Priorities that are held back, by quiet hours or for want of template messages' quota.
    held: Vec<&'static str>,
    /// Kinds besides template messages that WeChat does not take, while it may take the others.
    held_kinds: Vec<HeldKind>,
}

/// A kind that is held back.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldKind {
    kind: &'static str,
    /// `quota_exhausted` or `account_unusable`
    reason: &'static str,
    /// One message of it tries it again then.
    #[schema(value_type = String, format = DateTime)]
    again_at: Moment,
}

impl From<Lane> for SendingView {
    fn from(lane: Lane) -> Self {
        let (word, again_at) = match (lane.probe_at, lane.paused_until) {
            (Some(at), _) if lane.stopped => ("stopped", Some(at)),
            (Some(at), _) => ("closed", Some(at)),
            (None, Some(at)) => ("paused", Some(at)),
            (None, None) => ("open", None),
        };
        let held = Priority::ALL.iter().zip(lane.held);
        let kinds = Kind::ALL.iter().zip(lane.kinds);
        let kinds = kinds.filter_map(|(kind, hold)| Some((kind, hold?)));
        Self {
            lane: word,
            again_at: again_at.map(Moment),
            in_flight: lane.in_flight,
            rate: lane.rate.map(|rate| (rate.0 * 100.0).round() / 100.0),
            held: held
                .filter(|(_, held)| *held)
                .map(|(priority, _)| priority.as_str())
                .collect(),
            held_kinds: kinds
                .map(|(kind, hold)| HeldKind {
                    kind: kind.as_str(),
                    reason: hold.reason.as_str(),
                    again_at: Moment(hold.until),
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuotaCleared {
    account: String,
    /// How often it may be done again this month, as far as this gateway knows.
    clearings_left: u8,
}

fn refused(error: ClearError, book: &AccountBook) -> Problem {
    let said = error.to_string();
    match error {
        ClearError::NoSuchAccount => Problem::not_found(said),
        ClearError::Spent { again_at } => {
            Problem::rate_limited(said, again_at.since(book.clock.now()))
        }
        ClearError::Failed(_) | ClearError::InDoubt(_) => Problem::unavailable(said, CLEAR_PAUSE),
        ClearError::Store(error) => error.into(),
    }
}

/// Clears the day's quotas of all the account's calls: for an emergency, since WeChat allows it ten times a month.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/quota/clear", tag = "accounts",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, body = QuotaCleared),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`: this month's ten are spent", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "WeChat did not clear it, or nobody can tell; it says which", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn clear(
    State(book): State<Arc<AccountBook>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<QuotaCleared>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let account = book.accounts.seen_by(&signed.caller).named(Some(&name))?;
    if let Some(nonce) = signed.nonce {
        book.ledger.spend(nonce, book.clock.now()).await?;
    }
    let cleared = book.quotas.clear(account).await;
    let cleared = cleared.map_err(|error| refused(error, &book))?;
    Ok(Json(QuotaCleared {
        account: name,
        clearings_left: cleared.left,
    }))
}
