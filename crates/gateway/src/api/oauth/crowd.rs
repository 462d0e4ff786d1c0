//! Keeps whoever fails at it too often from trying codes and states at will, and whoever comes too often from coming.
//! It must not know what a user is on the way to.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::page::Refusal;
use crate::limits::{Entry, Limits};

/// Middleware of the routes for browsers.
pub async fn watch(State(limits): State<Arc<Limits>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let from = limits.address(&parts);
    if let Err(problem) = limits.knock(Entry::Oauth, from).await {
        let wait = problem.retry_after.unwrap_or_default();
        return Refusal::TooMany(wait).answer(&parts.headers);
    }
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status().is_client_error() {
        limits.failed(Entry::Oauth, from).await;
    }
    response
}
