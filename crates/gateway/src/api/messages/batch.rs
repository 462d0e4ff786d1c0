//! `POST /v1/messages/batch`: up to a thousand messages in one call, one result each in the order given.
//! It must not let one bad message hold up the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use futures::future::join_all;
use hongyan_courier::message::Content;
use hongyan_courier::port::{Accept, DedupeMismatch, NewMessage, Stored};
use hongyan_courier::time::UnixMs;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::agreement::Told;
use super::draft::{Draft, Refusal, Surroundings};
use super::keys::{dedupe_mismatch, idempotency, new_message, over_at_once};
use super::line_up::Replayed;
use super::send::{AcceptedMessage, Intake, LIST_PATIENCE, SendMessage, accepted_message};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::query::Query;
use crate::telemetry::trace::TraceId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "documents the body, which is read message by message"
)]
pub struct SendBatch {
    messages: Vec<SendMessage>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResults {
    results: Vec<BatchResult>,
}

/// One message of a batch: stored, or refused.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    Accepted(AcceptedMessage),
    Refused { error: Problem },
}

/// Hands many messages over. Those that are valid are stored all or none; each of the others has its own problem.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h is the same batch")),
    request_body = SendBatch,
    responses(
        (status = 202, description = "One result per message, in the order given", body = BatchResults),
        (status = 409, description = "`idempotency_mismatch`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn send_batch(
    State(intake): State<Arc<Intake>>,
    Extension(trace_id): Extension<TraceId>,
    uri: Uri,
    signed: Signed,
) -> Result<(StatusCode, Json<BatchResults>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let now = intake.acceptor.clock.now();
    let idempotency = idempotency("/v1/messages/batch", &signed, now)?;
    let trace = trace_id.to_string();
    let around = intake.around(&signed.caller, &trace, now);
    let items = read(&signed.body, intake.batch_max)?;
    let drafts = intake.read_all(&items, around).await;
    let contents: Vec<&Content> = drafts.iter().filter_map(content_of).collect();
    let mut used_up = intake.all_used_up(&contents).await.into_iter();
    let mut messages = Vec::with_capacity(items.len());
    let each = drafts.into_iter().map(|draft| {
        let mut draft = draft?;
        let told = Told {
            warnings: std::mem::take(&mut draft.warnings),
            used_up: used_up.next().flatten(),
        };
        messages.push(new_message(draft, now));
        Ok(told)
    });
    let drafts: Vec<Read> = each.collect();
    intake.count(&messages).await?;
    let keyed = idempotency.is_some();
    // A key that would stand for nothing is asked about and not kept.
    let asks = messages.is_empty();
    let idempotency = idempotency.map(|key| if asks { over_at_once(key, now) } else { key });
    let call = Accept {
        nonce: signed.nonce,
        idempotency,
        messages,
        broadcast: None,
    };
    let accepted = intake.acceptor.accept(call).await?;
    let is_new = |one: &Answer| one.as_ref().is_ok_and(|stored| !stored.replayed);
    let seats = if !keyed || accepted.iter().any(is_new) {
        places(&drafts, |draft| draft.is_ok())
    } else {
        // It may have been accepted when other messages of it were good.
        let replayed = Replayed {
            accepted: &accepted,
            possible: places(&drafts, could_be_taken),
        };
        replayed.seats(&*intake.ledger, &items, around).await?
    };
    let mut answers: Vec<Option<Answer>> = vec![None; drafts.len()];
    for (seat, answer) in seats.into_iter().zip(accepted) {
        answers[seat] = Some(answer);
    }
    let results = intake.results(drafts, answers, now).await?;
    let results = results
        .into_iter()
        .map(|result| result.unwrap_or_else(|problem| refused(problem, trace_id)));
    let results = results.collect();
    Ok((StatusCode::ACCEPTED, Json(BatchResults { results })))
}

type Answer = Result<Stored, DedupeMismatch>;
/// What each is: what its sender is told of it, or why it is not taken.
type Read = Result<Told, Refusal>;

fn places(drafts: &[Read], wanted: impl Fn(&Read) -> bool) -> Vec<usize> {
    let all = drafts.iter().enumerate();
    all.filter(|(_, draft)| wanted(draft))
        .map(|(place, _)| place)
        .collect()
}

/// At some moment, under some configuration.
fn could_be_taken(draft: &Read) -> bool {
    draft.as_ref().err().is_none_or(|refusal| refusal.passing)
}

impl Intake {
    /// Reads messages; those whose templates are in no list, once more with a fresh one of each account.
    async fn read_all(
        &self,
        items: &[&RawValue],
        around: Surroundings<'_>,
    ) -> Vec<Result<Draft, Refusal>> {
        let read = |item: &&RawValue| Draft::from_json(item.get(), around);
        let mut drafts: Vec<_> = items.iter().map(read).collect();
        let mut unlisted: BTreeMap<&str, Vec<&Content>> = BTreeMap::new();
        for content in drafts.iter().filter_map(unlisted_of) {
            let of_account = unlisted.entry(content.account.as_str()).or_default();
            of_account.push(content);
        }
        if unlisted.is_empty() {
            return drafts;
        }
        let looking = unlisted.values();
        join_all(looking.map(|some| self.look_again(some, LIST_PATIENCE))).await;
        for (draft, item) in drafts.iter_mut().zip(items) {
            if unlisted_of(draft).is_some() {
                *draft = Draft::from_json(item.get(), around.asked());
            }
        }
        drafts
    }

    /// Counts messages against the limits of their accounts, as a whole.
    async fn count(&self, messages: &[NewMessage]) -> Result<(), Problem> {
        if !self.limits.knows_accounts() {
            return Ok(());
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for message in messages {
            *counts.entry(message.content.account.as_str()).or_default() += 1;
        }
        for (account, count) in counts {
            self.limits.account(account, count).await?;
        }
        Ok(())
    }

    /// One result for each draft, from what the store answered for it, if it was asked.
    async fn results(
        &self,
        drafts: Vec<Read>,
        answers: Vec<Option<Answer>>,
        now: UnixMs,
    ) -> Result<Vec<Result<BatchResult, Problem>>, Problem> {
        let each = drafts
            .into_iter()
            .zip(answers)
            .map(async |(draft, answer)| {
                let (stored, warnings) = match (answer, draft) {
                    (Some(Ok(stored)), Ok(told)) => (stored, told.of(&stored)),
                    (Some(Ok(stored)), Err(refusal)) => (
                        stored,
                        refusal.draft.map_or_else(Vec::new, |draft| draft.warnings),
                    ),
                    (Some(Err(DedupeMismatch)), _) => return Ok(Err(dedupe_mismatch())),
                    (None, Ok(_)) => return Ok(Err(refused_before())),
                    (None, Err(refusal)) => match self.taken_before(refusal, None, None, now).await
                    {
                        Ok(found) => found,
                        Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => {
                            return Err(problem);
                        }
                        Err(problem) => return Ok(Err(problem)),
                    },
                };
                Ok(Ok(BatchResult::Accepted(accepted_message(
                    &stored, warnings,
                ))))
            });
        futures::future::try_join_all(each).await
    }
}

fn content_of(draft: &Result<Draft, Refusal>) -> Option<&Content> {
    draft.as_ref().ok().map(|draft| &draft.content)
}

fn unlisted_of(draft: &Result<Draft, Refusal>) -> Option<&Content> {
    draft.as_ref().err().and_then(Refusal::unlisted)
}

fn refused_before() -> Problem {
    Problem::conflict(
        "this message was refused when its batch came first under this Idempotency-Key; send it under another",
    )
}

fn refused(problem: Problem, trace_id: TraceId) -> BatchResult {
    BatchResult::Refused {
        error: problem.with_trace_id(trace_id),
    }
}

fn read(body: &[u8], batch_max: usize) -> Result<Vec<&RawValue>, Problem> {
    // A struct would also be read from an array.
    if !body.is_empty() && body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::malformed(
            "a batch must be a JSON object: {\"messages\": […]}",
        ));
    }
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|error| {
        Problem::malformed(format!("the body is not {{\"messages\": […]}}: {error}"))
    })?;
    match batch.messages.len() {
        0 => Err(Problem::malformed("messages is empty")),
        count if count > batch_max => Err(Problem::too_large(format!(
            "a batch has at most {batch_max} messages, and this one has {count}"
        ))),
        _ => Ok(batch.messages),
    }
}
