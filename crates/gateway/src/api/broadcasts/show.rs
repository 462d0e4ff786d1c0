//! `GET /v1/broadcasts/{id}`, and how a broadcast is shown: what was asked for, how far it is, what it will come to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::broadcast::rows::BadRow;
use hongyan_courier::broadcast::{Broadcast, State as BroadcastState};
use hongyan_courier::time::UnixMs;
use http::Uri;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::create::PROBLEMS_SHOWN;
use super::{Broadcasting, broadcast_id};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;
use crate::api::query::Query;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Broadcast)]
pub struct BroadcastView {
    #[schema(example = "344b9d2f8d412c07")]
    id: String,
    account: String,
    /// `draft`, `uploading`, `ready`, `running`, `paused`, `done` or `cancelled`
    #[schema(example = "running")]
    status: &'static str,
    #[schema(value_type = Option<String>)]
    template_id: Value,
    /// `rows` or `followers`
    source: &'static str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Moment,
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Moment>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Moment>,
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Moment>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Moment>,
    /// At most so many messages a second.
    rate: Option<u32>,
    upload: UploadView,
    progress: ProgressView,
    /// Messages settled a second since it has been running.
    per_second: Option<f64>,
    /// Its account holds it back until then, as far as is known: quiet hours, quota that is spent or kept for who is more
    /// urgent, no token, a lane that is not open. None while its messages go.
    #[schema(value_type = Option<String>, format = DateTime)]
    held_until: Option<Moment>,
    /// When its last message will have been sent, if it goes on like this. None while it is held: nobody can tell.
    #[schema(value_type = Option<String>, format = DateTime)]
    forecast_end_at: Option<Moment>,
    /// The first rows that are passed over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    problems: Vec<ProblemRow>,
}

/// How much of the rows is here.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    /// Where the next piece begins, in bytes.
    offset: u64,
    /// No more rows will come.
    complete: bool,
    /// Rows that can be sent.
    rows: u64,
    /// Rows that are passed over, for their shape.
    bad_rows: u64,
}

/// What became of the rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// Rows that have not become messages, and may yet.
    remaining: u64,
    /// Rows that became messages.
    accepted: u64,
    /// Rows whose values no message may have.
    refused: u64,
    /// Messages that wait or are being sent.
    waiting: u64,
    /// Messages in this status, and so on.
    sent: u64,
    delivered: u64,
    failed: u64,
    suppressed: u64,
    cancelled: u64,
    /// Messages that were too late, and rows that it was too late to make messages of.
    expired: u64,
    unconfirmed: u64,
}

/// A row that is passed over.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemRow {
    /// The line that it begins on, counted from 1.
    line: u64,
    #[schema(example = "has no openid")]
    problem: String,
    /// The same in Chinese, where it is about what WeChat takes or about the row itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "缺少 openid")]
    problem_zh: Option<String>,
}

impl From<&BadRow> for ProblemRow {
    fn from(bad: &BadRow) -> Self {
        Self {
            line: bad.line,
            problem: bad.fault.english.clone(),
            problem_zh: bad.fault.chinese.clone(),
        }
    }
}

impl Broadcasting {
    pub(super) fn view(&self, broadcast: &Broadcast, bad: &[BadRow], now: UnixMs) -> BroadcastView {
        BroadcastView::new(broadcast, bad, self.held_until(broadcast, now), now)
    }

    fn held_until(&self, broadcast: &Broadcast, now: UnixMs) -> Option<UnixMs> {
        let order = &broadcast.order;
        if broadcast.state != BroadcastState::Running {
            return None;
        }
        let token_at = self.keeper.may_be_ready_at(&order.account);
        self.slots.held_until(
            &order.account,
            (order.kind(), order.priority()?),
            token_at,
            now,
        )
    }
}

impl BroadcastView {
    fn new(broadcast: &Broadcast, bad: &[BadRow], held_until: Option<UnixMs>, now: UnixMs) -> Self {
        let (order, upload, progress) = (&broadcast.order, &broadcast.upload, &broadcast.progress);
        let expired = broadcast.rows_expired(now);
        Self {
            id: broadcast.id.to_string(),
            account: order.account.to_string(),
            status: broadcast.state.as_str(),
            template_id: order.recipe.get("template_id").cloned().unwrap_or_default(),
            source: order.source.as_str(),
            created_at: Moment(broadcast.created_at),
            started_at: broadcast.started_at.map(Moment),
            ended_at: broadcast.ended_at.map(Moment),
            send_at: order.send_at.map(Moment),
            expires_at: order.expires_at.map(Moment),
            rate: order.rate,
            upload: UploadView {
                offset: upload.stored,
                complete: upload.complete,
                rows: upload.rows,
                bad_rows: upload.bad,
            },
            progress: ProgressView {
                remaining: broadcast.rows_left() - expired,
                accepted: progress.accepted,
                refused: progress.refused,
                waiting: progress.waiting(),
                sent: progress.sent,
                delivered: progress.delivered,
                failed: progress.failed,
                suppressed: progress.suppressed,
                cancelled: progress.cancelled,
                expired: progress.expired + expired,
                unconfirmed: progress.unconfirmed,
            },
            per_second: broadcast.pace(now).map(|pace| (pace * 10.0).round() / 10.0),
            held_until: held_until.map(Moment),
            forecast_end_at: match held_until {
                Some(_) => None,
                None => broadcast.forecast(now).map(Moment),
            },
            problems: bad.iter().map(ProblemRow::from).collect(),
        }
    }
}

/// A broadcast: where it stands, how far it is, and the first rows that are passed over.
#[utoipa::path(
    get, path = "/v1/broadcasts/{id}", tag = "broadcasts",
    params(("id" = String, Path, description = "The broadcast's id")),
    responses(
        (status = 200, body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let id = broadcast_id(&id)?;
    let broadcast = broadcasting.reached(id, &signed.caller).await?;
    let bad = broadcasting.broadcasts.bad_rows(id, PROBLEMS_SHOWN).await?;
    let now = broadcasting.clock.now();
    Ok(Json(broadcasting.view(&broadcast, &bad, now)))
}
