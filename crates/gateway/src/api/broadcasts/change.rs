//! `POST /v1/broadcasts/{id}/start`, `…/pause`, `…/resume` and `…/cancel`. Each may be asked twice.
//! It must not decide whether a broadcast allows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::broadcast::Wish;
use http::Uri;

use super::show::BroadcastView;
use super::{Broadcasting, broadcast_id, refused};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;

/// Starts a broadcast whose rows are all here. Once started, it changes nothing.
#[utoipa::path(
    post, path = "/v1/broadcasts/{id}/start", tag = "broadcasts",
    params(("id" = String, Path, description = "The broadcast's id")),
    responses(
        (status = 200, body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Rows are missing, or it was cancelled", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn start(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    broadcasting.wished(&id, &uri, signed, Wish::Start).await
}

/// Holds what has not been sent. Calls that are under way go on, and so does a message in doubt.
#[utoipa::path(
    post, path = "/v1/broadcasts/{id}/pause", tag = "broadcasts",
    params(("id" = String, Path, description = "The broadcast's id")),
    responses(
        (status = 200, body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It does not run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn pause(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    broadcasting.wished(&id, &uri, signed, Wish::Pause).await
}

/// Goes on with a broadcast that was paused.
#[utoipa::path(
    post, path = "/v1/broadcasts/{id}/resume", tag = "broadcasts",
    params(("id" = String, Path, description = "The broadcast's id")),
    responses(
        (status = 200, body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not paused", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    broadcasting.wished(&id, &uri, signed, Wish::Resume).await
}

/// Cancels what has not been sent. Calls that are under way go on.
#[utoipa::path(
    post, path = "/v1/broadcasts/{id}/cancel", tag = "broadcasts",
    params(("id" = String, Path, description = "The broadcast's id")),
    responses(
        (status = 200, body = BroadcastView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is done", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel(
    State(broadcasting): State<Arc<Broadcasting>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastView>, Problem> {
    broadcasting.wished(&id, &uri, signed, Wish::Cancel).await
}

impl Broadcasting {
    async fn wished(
        &self,
        id: &str,
        uri: &Uri,
        mut signed: Signed,
        wish: Wish,
    ) -> Result<Json<BroadcastView>, Problem> {
        Query::read(uri)?.nothing_else(&[])?;
        let (id, now) = (broadcast_id(id)?, self.clock.now());
        let found = self.reached(id, &signed.caller).await?;
        signed.about(&found.order.account);
        let wished = self.broadcasts.wish(id, wish, signed.nonce, now).await;
        let broadcast = wished.map_err(refused)?;
        self.wake.notify_one();
        Ok(Json(self.view(&broadcast, &[], now)))
    }
}
