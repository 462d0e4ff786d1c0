//! `/health/live`, `/health/ready`, `/health` and `/metrics`, for supervisors and scrapers.
//! It must not fail for one account's trouble: the others go on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use hongyan_courier::port::Ledger;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::error::Problem;
use crate::condition::{Conditions, State as AccountState};
use crate::telemetry::prometheus::Metrics;

const STORE_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// What readiness depends on.
pub struct Readiness {
    pub ledger: Arc<dyn Ledger>,
    pub accounts: Arc<Accounts>,
    pub conditions: Arc<Conditions>,
    pub stop: CancellationToken,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ok`, or `degraded` if an account is not.
    #[schema(example = "ok")]
    status: &'static str,
    /// The accounts that are not well.
    degraded: Vec<DegradedPart>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DegradedPart {
    #[schema(example = "account:clinic")]
    part: String,
    state: &'static str,
    detail: Option<String>,
}

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Live)))]
pub async fn live() -> Json<Live> {
    Json(Live {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The process runs (the same as `/health/live`).
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Live)))]
pub async fn alias() -> Json<Live> {
    live().await
}

/// Whether the gateway takes messages: what its store is given becomes durable, and it is not stopping.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses((status = 200, body = Ready)))]
pub async fn ready(State(readiness): State<Arc<Readiness>>) -> Result<Json<Ready>, Problem> {
    if readiness.stop.is_cancelled() {
        return Err(Problem::unavailable("the gateway is stopping", RETRY_PAUSE));
    }
    match tokio::time::timeout(STORE_TIMEOUT, readiness.ledger.ready()).await {
        Ok(ready) => ready?,
        Err(_) => {
            return Err(Problem::unavailable(
                "the store does not answer",
                RETRY_PAUSE,
            ));
        }
    }
    let unwell = readiness.accounts.every().filter_map(|known| {
        let (condition, _) = readiness.conditions.of(&known.name);
        (condition.state != AccountState::Ok).then(|| DegradedPart {
            part: format!("account:{}", known.name),
            state: condition.state.as_str(),
            detail: condition.detail,
        })
    });
    let degraded: Vec<_> = unwell.collect();
    let status = if degraded.is_empty() {
        "ok"
    } else {
        "degraded"
    };
    Ok(Json(Ready { status, degraded }))
}

/// The metrics, as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn metrics(State(metrics): State<Metrics>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
}
