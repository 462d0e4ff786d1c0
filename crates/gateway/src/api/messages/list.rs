//! `GET /v1/messages`: messages by filter, newest first, page by page.
//! It must not promise anything about a cursor but that it leads on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hongyan_courier::broadcast::BroadcastId;
use hongyan_courier::message::{AccountName, MessageId, Reason, Status};
use hongyan_courier::port::{Filter, Ledger};
use hongyan_courier::reach::Reach;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::show::MessageView;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::query::Query;
use crate::auth::client::Identity;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 200;
const NAMES: [&str; 12] = [
    "account",
    "status",
    "reason",
    "touser",
    "template_id",
    "code",
    "reference",
    "broadcast",
    "since",
    "until",
    "cursor",
    "limit",
];

#[derive(Debug, Serialize, ToSchema)]
pub struct MessagePage {
    messages: Vec<MessageView>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

/// Messages by filter, newest first.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages",
    params(
        ("account" = Option<String>, Query),
        ("status" = Option<String>, Query, description = "queued, sending, sent, delivered, failed, suppressed, cancelled, expired or unconfirmed"),
        ("reason" = Option<String>, Query),
        ("touser" = Option<String>, Query),
        ("template_id" = Option<String>, Query),
        ("code" = Option<i64>, Query, description = "The errcode of the last call"),
        ("reference" = Option<String>, Query),
        ("broadcast" = Option<String>, Query, description = "Made of rows of this broadcast"),
        ("since" = Option<String>, Query, description = "Accepted at this time or later"),
        ("until" = Option<String>, Query, description = "Accepted before this time"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u64>, Query, description = "50 by default, 200 at most"),
    ),
    responses((status = 200, body = MessagePage))
)]
pub async fn list(
    State(ledger): State<Arc<dyn Ledger>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<MessagePage>, Problem> {
    let (mut filter, limit) = read(&uri)?;
    confine(&mut filter, &signed.caller)?;
    // One more than shown tells whether there is a next page.
    let mut found = ledger.page(filter, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    Ok(Json(MessagePage {
        next_cursor: last.map(|message| URL_SAFE_NO_PAD.encode(message.id.as_bytes())),
        messages: found.iter().map(MessageView::from).collect(),
    }))
}

fn read(uri: &Uri) -> Result<(Filter, usize), Problem> {
    let mut query = Query::read(uri)?;
    let statuses: Vec<_> = Status::ALL.iter().map(|one| (one.as_str(), *one)).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|one| (one.as_str(), *one)).collect();
    let filter = Filter {
        account: query
            .text("account")?
            .map(|name| AccountName::from(name.as_str())),
        status: query.word("status", &statuses)?,
        reason: query.word("reason", &reasons)?,
        touser: query.text("touser")?,
        template_id: query.text("template_id")?,
        code: query.number("code")?,
        reference: query.text("reference")?,
        broadcast: query
            .text("broadcast")?
            .map(|id| id.parse::<BroadcastId>())
            .transpose()
            .map_err(|error| Problem::malformed(format!("broadcast is {error}")))?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        before: query
            .text("cursor")?
            .map(|cursor| opened(&cursor))
            .transpose()?,
        within: Reach::default(),
    };
    let limit = query.number("limit")?.unwrap_or(LIMIT_DEFAULT);
    query.nothing_else(&NAMES)?;
    if limit == 0 || limit > LIMIT_MAX {
        return Err(Problem::malformed(format!(
            "limit must be 1 to {LIMIT_MAX}"
        )));
    }
    Ok((filter, limit))
}

/// Lets a filter find only what the caller reaches; one that names something else is refused.
pub(super) fn confine(filter: &mut Filter, caller: &Identity) -> Result<(), Problem> {
    if let Some(account) = &filter.account {
        caller.require_account(account.as_str())?;
    }
    if let Some(id) = &filter.template_id {
        caller.require_template(id)?;
    }
    filter.within = caller.reach.clone();
    Ok(())
}

fn opened(cursor: &str) -> Result<MessageId, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let id = bytes.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    id.map(MessageId::from_bytes)
        .ok_or_else(|| Problem::malformed("cursor is not one that this gateway gave"))
}
