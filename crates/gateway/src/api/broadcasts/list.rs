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
use crate::api::query::Query;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;

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
    let states: Vec<_> = Stands::ALL.iter().map(|one| (one.as_str(), *one)).collect();
    let account = query.text("account")?;
    let state = query.word("status", &states)?;
    let before = match query.text("cursor")? {
        Some(cursor) => Some(
            cursor
                .parse()
                .map_err(|_| Problem::malformed("cursor is not one that this gateway gave"))?,
        ),
        None => None,
    };
    let limit = query.number("limit")?.unwrap_or(LIMIT_DEFAULT);
    query.nothing_else(&["account", "status", "cursor", "limit"])?;
    if limit == 0 || limit > LIMIT_MAX {
        return Err(Problem::malformed(format!(
            "limit must be 1 to {LIMIT_MAX}"
        )));
    }
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
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let now = broadcasting.clock.now();
    Ok(Json(BroadcastPage {
        next_cursor: last.map(|broadcast| broadcast.id.to_string()),
        broadcasts: found
            .iter()
            .map(|broadcast| BroadcastView::new(broadcast, &[], now))
            .collect(),
    }))
}
