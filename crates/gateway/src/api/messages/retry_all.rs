//! `POST /v1/messages/retry`: many messages sent again at once, by filter and at a rate.
//! It must not decide which messages allow it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hongyan_courier::bulk_retry::{BulkRetry, Retried, Wish};
use hongyan_courier::delivery::LeftAlone;
use hongyan_courier::message::{AccountName, MessageId, Reason, Status};
use hongyan_courier::port::Filter;
use hongyan_courier::time::UnixMs;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::{broadcast_called, confine};
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::{Moment, moment_called};
use crate::api::page;
use crate::api::query::{Query, word_called};

const RATE_DEFAULT: f64 = 10.0;
const RATE_MIN: f64 = 0.01;
const RATE_MAX: f64 = 1_000.0;
const LIMIT_DEFAULT: usize = 1_000;
const LIMIT_MAX: usize = 10_000;

/// Which messages are sent again, and how fast. All that is given must fit; at least one of `account`, `broadcast`, `reason`,
/// `code`, `template_id`, `touser`, `reference`, `since` and `ended_since` narrows it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryAll {
    account: Option<String>,
    /// `failed` by default, or `cancelled`; what is otherwise ended is retried one by one
    status: Option<String>,
    reason: Option<String>,
    /// The errcode of the last call
    code: Option<i64>,
    template_id: Option<String>,
    touser: Option<String>,
    reference: Option<String>,
    /// Made of rows of this broadcast
    broadcast: Option<String>,
    /// Accepted at this time or later
    since: Option<String>,
    /// Accepted before this time
    until: Option<String>,
    /// Ended at this time or later
    ended_since: Option<String>,
    /// Messages a second, 10 by default, 1,000 at most
    rate: Option<f64>,
    /// How many are looked at, 1,000 by default, 10,000 at most
    limit: Option<usize>,
    /// `next_cursor` of the call before
    cursor: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetryAllDone {
    /// So many are queued again.
    retried: usize,
    /// So many of them wait until their broadcast, which is paused, goes on.
    held: usize,
    /// So many were left alone: `expired`, `suppressed`, `in_doubt`, `forgotten` with their recipient, or `changed` meanwhile.
    skipped: BTreeMap<&'static str, usize>,
    /// When the last of those is due that are not held.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_due_at: Option<Moment>,
    /// Goes on with the rest, at the same rate; none if all were looked at.
    next_cursor: Option<String>,
}

/// Sends many messages again: those that failed, or were cancelled, by filter and at a rate. What expired, is suppressed or
/// may have reached its user is left alone. Each is queued with a time of its own, so a restart does not change the rate.
/// What is of a broadcast that is paused is queued and waits for it.
#[utoipa::path(
    post, path = "/v1/messages/retry", tag = "messages",
    request_body = RetryAll,
    responses((status = 202, description = "They are queued again", body = RetryAllDone))
)]
pub async fn retry_all(
    State(retries): State<Arc<BulkRetry>>,
    uri: Uri,
    mut signed: Signed,
) -> Result<(StatusCode, Json<RetryAllDone>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let asked: RetryAll = body::optional(&signed.body)?;
    let mut wish = wish(asked)?;
    confine(&mut wish.filter, &signed.caller)?;
    if let Some(account) = &wish.filter.account {
        signed.about(account);
    }
    let done = retries.retry(wish, signed.nonce).await?;
    Ok((StatusCode::ACCEPTED, Json(shown(done))))
}

fn wish(asked: RetryAll) -> Result<Wish, Problem> {
    let rate = asked.rate.unwrap_or(RATE_DEFAULT);
    if !(RATE_MIN..=RATE_MAX).contains(&rate) {
        return Err(Problem::malformed(format!(
            "rate must be {RATE_MIN} to {RATE_MAX} messages a second"
        )));
    }
    let limit = page::limit_within(asked.limit, LIMIT_DEFAULT, LIMIT_MAX)?;
    let cursor = asked.cursor.as_deref();
    let cursor = cursor
        .map(|cursor| page::opened(cursor, read))
        .transpose()?;
    let reason = asked.reason.as_deref();
    let filter = Filter {
        status: Some(status(asked.status.as_deref())?),
        reason: reason
            .map(|word| word_called("reason", word, Reason::ALL, Reason::as_str))
            .transpose()?,
        since: moment("since", asked.since.as_deref())?,
        until: moment("until", asked.until.as_deref())?,
        ended_since: moment("ended_since", asked.ended_since.as_deref())?,
        broadcast: asked
            .broadcast
            .as_deref()
            .map(broadcast_called)
            .transpose()?,
        account: asked.account.as_deref().map(AccountName::from),
        code: asked.code,
        template_id: asked.template_id,
        touser: asked.touser,
        reference: asked.reference,
        before: cursor.map(|(id, _)| id),
        ..Filter::default()
    };
    let narrowed = filter.account.is_some()
        || filter.reason.is_some()
        || filter.code.is_some()
        || filter.template_id.is_some()
        || filter.touser.is_some()
        || filter.reference.is_some()
        || filter.broadcast.is_some()
        || filter.since.is_some()
        || filter.ended_since.is_some();
    if !narrowed {
        return Err(Problem::malformed(
            "give at least one of account, broadcast, reason, code, template_id, touser, reference, since and ended_since: \
             else everything that ever failed would be sent again",
        ));
    }
    Ok(Wish {
        filter,
        every: Duration::from_secs_f64(1.0 / rate),
        limit,
        first_due: cursor.map(|(_, due)| due),
    })
}

fn status(word: Option<&str>) -> Result<Status, Problem> {
    match word {
        None | Some("failed") => Ok(Status::Failed),
        Some("cancelled") => Ok(Status::Cancelled),
        Some(_) => Err(Problem::malformed(
            "status must be failed or cancelled; expired, suppressed and unconfirmed messages are retried one by one",
        )),
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<UnixMs>, Problem> {
    text.map(|text| moment_called(name, text)).transpose()
}

fn shown(done: Retried) -> RetryAllDone {
    let word = |why| match why {
        LeftAlone::Expired => "expired",
        LeftAlone::Suppressed => "suppressed",
        LeftAlone::InDoubt => "in_doubt",
        LeftAlone::NotEnded => "changed",
        LeftAlone::Forgotten => "forgotten",
    };
    let skipped = done.left_alone.into_iter();
    RetryAllDone {
        retried: done.count,
        held: done.held,
        skipped: skipped.map(|(why, count)| (word(why), count)).collect(),
        last_due_at: done.last_due.map(Moment),
        next_cursor: done.next.map(|next| page::cursor(written(next))),
    }
}

/// The message that was looked at last, and when the next is due.
fn written((id, due): (MessageId, UnixMs)) -> Vec<u8> {
    [id.as_bytes().as_slice(), &due.0.to_be_bytes()].concat()
}

fn read(place: &[u8]) -> Option<(MessageId, UnixMs)> {
    let (id, due) = place.split_first_chunk()?;
    let due = due.try_into().ok()?;
    Some((MessageId::from_bytes(*id), UnixMs(i64::from_be_bytes(due))))
}
