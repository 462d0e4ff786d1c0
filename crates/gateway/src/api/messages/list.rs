//! `GET /v1/messages`: messages by filter, newest first, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::broadcast::BroadcastId;
use hongyan_courier::message::{AccountName, MessageId, Reason, Status};
use hongyan_courier::port::Filter;
use hongyan_courier::reach::Reach;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::show::{MessageView, Messages};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::page;
use crate::api::query::Query;
use crate::auth::client::Identity;

const NAMES: [&str; 13] = [
    "account",
    "status",
    "reason",
    "touser",
    "template_id",
    "code",
    "msgid",
    "reference",
    "broadcast",
    "since",
    "until",
    "cursor",
    "limit",
];

#[derive(Serialize, ToSchema)]
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
        ("msgid" = Option<i64>, Query, description = "WeChat's msgid, or the number that `/cgi-bin/message/…/send` answered in its place"),
        ("reference" = Option<String>, Query),
        ("broadcast" = Option<String>, Query, description = "Made of rows of this broadcast"),
        ("since" = Option<String>, Query, description = "Accepted at this time or later"),
        ("until" = Option<String>, Query, description = "Accepted before this time"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u64>, Query, description = "50 by default, 200 at most"),
    ),
    responses(
        (status = 200, body = MessagePage),
        (status = 404, description = "There is no such account, nor any message of one", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(messages): State<Arc<Messages>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<MessagePage>, Problem> {
    let (mut filter, limit) = read(&uri)?;
    confine(&mut filter, &signed.caller)?;
    let first = filter.before.is_none();
    let account = filter.account.clone().filter(|_| first);
    // One more than shown tells whether there is a next page.
    let mut found = messages.ledger.page(filter, limit + 1).await?;
    if let (true, Some(account)) = (found.is_empty(), account) {
        // Messages of one that is configured no more are listed all the same.
        let seen = messages.accounts.seen_by(&signed.caller);
        seen.named(Some(account.as_str()))?;
    }
    let last = page::cut(&mut found, limit);
    Ok(Json(MessagePage {
        next_cursor: last.map(|message| page::cursor(message.id.as_bytes())),
        messages: found.iter().map(|message| messages.view(message)).collect(),
    }))
}

fn read(uri: &Uri) -> Result<(Filter, usize), Problem> {
    let mut query = Query::read(uri)?;
    let filter = Filter {
        account: query
            .text("account")?
            .map(|name| AccountName::from(name.as_str())),
        status: query.word("status", Status::ALL, Status::as_str)?,
        reason: query.word("reason", Reason::ALL, Reason::as_str)?,
        touser: query.text("touser")?,
        template_id: query.text("template_id")?,
        code: query.number("code")?,
        msgid: query.number("msgid")?,
        reference: query.text("reference")?,
        broadcast: query
            .text("broadcast")?
            .map(|id| broadcast_called(&id))
            .transpose()?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        ended_since: None,
        before: query.cursor(|place| place.try_into().ok().map(MessageId::from_bytes))?,
        within: Reach::default(),
    };
    let limit = page::limit(&mut query)?;
    query.nothing_else(&NAMES)?;
    Ok((filter, limit))
}

/// The broadcast that a caller gave by this name.
pub(super) fn broadcast_called(id: &str) -> Result<BroadcastId, Problem> {
    id.parse()
        .map_err(|error| Problem::malformed(format!("broadcast is {error}")))
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
