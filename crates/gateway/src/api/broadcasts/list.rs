//! `GET /v1/broadcasts`: by filter, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::broadcast::State as Stands;
use hongyan_courier::broadcast::port::BroadcastFilter;
use hongyan_courier::message::AccountName;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::Broadcasting;
use super::show::BroadcastView;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::page;
use crate::api::query::Query;

#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastPage {
    broadcasts: Vec<BroadcastView>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// Broadcasts by filter, newest first.
#[utoipa::path(
    get, path = "/v1/broadcasts", tag = "broadcasts",
    params(
        ("account" = Option<String>, Query),
        ("status" = Option<String>, Query, description = "draft, uploading, ready, running, paused, done or cancelled"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u64>, Query, description = "50 by default, 200 at most"),
    ),
    responses((status = 200, body = BroadcastPage))
)]
pub async fn list(
    State(broadcasting): State<Arc<Broadcasting>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<BroadcastPage>, Problem> {
    let mut query = Query::read(&uri)?;
    let account = query.text("account")?;
    let state = query.word("status", Stands::ALL, Stands::as_str)?;
    let before = query.cursor(|place| std::str::from_utf8(place).ok()?.parse().ok())?;
    let limit = page::limit(&mut query)?;
    query.nothing_else(&["account", "status", "cursor", "limit"])?;
    if let Some(name) = &account {
        signed.caller.require_account(name)?;
    }
    let filter = BroadcastFilter {
        account: account.map(|name| AccountName::from(name.as_str())),
        state,
        before,
        within: signed.caller.reach.clone(),
    };
    // One more than shown tells whether there is a next page.
    let mut found = broadcasting
        .broadcasts
        .broadcasts(filter, limit + 1)
        .await?;
    let last = page::cut(&mut found, limit);
    let now = broadcasting.clock.now();
    Ok(Json(BroadcastPage {
        next_cursor: last.map(|broadcast| page::cursor(broadcast.id.to_string())),
        broadcasts: found
            .iter()
            .map(|broadcast| broadcasting.view(broadcast, &[], now))
            .collect(),
    }))
}
