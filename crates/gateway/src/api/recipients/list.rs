//! `GET /v1/recipients`: who is suppressed and why, those said last first, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::message::Reason;
use hongyan_courier::recipient::{Place, SuppressionFilter};
use hongyan_courier::time::UnixMs;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::Contacts;
use super::view::SuppressedView;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::page;
use crate::api::query::Query;

const NAMES: [&str; 4] = ["account", "reason", "cursor", "limit"];

#[derive(Serialize, ToSchema)]
pub struct SuppressionPage {
    suppressions: Vec<SuppressedView>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// The suppressions of an account that hold at this moment, those said last first.
#[utoipa::path(
    get, path = "/v1/recipients", tag = "recipients",
    params(
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
        ("reason" = Option<String>, Query),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u64>, Query, description = "50 by default, 200 at most"),
    ),
    responses(
        (status = 200, body = SuppressionPage),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(contacts): State<Arc<Contacts>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<SuppressionPage>, Problem> {
    let mut query = Query::read(&uri)?;
    let name = query.text("account")?;
    let reason = query.word("reason", Reason::ALL, Reason::as_str)?;
    let before = query.cursor(read)?;
    let limit = page::limit(&mut query)?;
    query.nothing_else(&NAMES)?;
    let seen = contacts.accounts.seen_by(&signed.caller);
    let filter = SuppressionFilter {
        account: seen.named(name.as_deref())?.clone(),
        reason,
        before,
        within: signed.caller.reach.clone(),
    };
    let now = contacts.clock.now();
    // One more than shown tells whether there is a next page.
    let listed = contacts.recipients.suppressions(filter, limit + 1, now);
    let mut found = listed.await?;
    let last = page::cut(&mut found, limit);
    Ok(Json(SuppressionPage {
        next_cursor: last.map(|one| page::cursor(written(&one.place()))),
        suppressions: found.into_iter().map(SuppressedView::from).collect(),
    }))
}

fn written(place: &Place) -> String {
    let at = place.at.0.to_string();
    let parts = [&at, &place.openid, &place.template_id, &place.reason];
    parts.map(String::as_str).join("\n")
}

fn read(place: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(place).ok()?;
    let mut parts = text.split('\n').map(str::to_owned);
    Some(Place {
        at: UnixMs(parts.next()?.parse().ok()?),
        openid: parts.next()?,
        template_id: parts.next()?,
        reason: parts.next()?,
    })
}
