//! `POST /v1/messages/batch`: up to a thousand messages in one call, one result each in the order given.
//! It must not let one bad message hold up the others.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use hongyan_courier::port::Accept;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::draft::{Draft, Surroundings};
use super::send::{
    AcceptedMessage, Intake, SendMessage, accepted_message, dedupe_mismatch, idempotency,
    new_message,
};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::query::Query;
use crate::telemetry::trace::TraceId;

#[derive(Deserialize)]
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
    let around = Surroundings {
        accounts: &intake.accounts,
        client: &signed.caller.client,
        trace_id: &trace,
        now,
    };
    let items = read(&signed.body, intake.batch_max)?;
    let mut messages = Vec::with_capacity(items.len());
    // What became of each: its warnings, or its problem.
    let drafts: Vec<Result<Vec<String>, Problem>> = items
        .into_iter()
        .map(|item| {
            let mut draft = Draft::from_json(item.get(), around)?;
            let warnings = std::mem::take(&mut draft.warnings);
            messages.push(new_message(draft, now));
            Ok(warnings)
        })
        .collect();
    let stored_count = messages.len();
    let call = Accept {
        nonce: signed.nonce,
        idempotency,
        messages,
    };
    let accepted = intake.acceptor.accept(call).await?;
    // A batch repeated under its key, in which a message has expired meanwhile: what was stored no longer lines up.
    if accepted.len() != stored_count {
        return Err(Problem::conflict(
            "this batch was accepted before, and one of its messages is no longer valid; look its messages up",
        ));
    }
    let mut accepted = accepted.into_iter();
    let results = drafts
        .into_iter()
        .map(|draft| match (draft, &mut accepted) {
            (Err(problem), _) => refused(problem, trace_id),
            (Ok(warnings), rest) => match rest.next() {
                Some(Ok(stored)) => BatchResult::Accepted(accepted_message(&stored, warnings)),
                Some(Err(_)) => refused(dedupe_mismatch(), trace_id),
                None => refused(Problem::internal(), trace_id),
            },
        });
    let results = results.collect();
    Ok((StatusCode::ACCEPTED, Json(BatchResults { results })))
}

fn refused(problem: Problem, trace_id: TraceId) -> BatchResult {
    BatchResult::Refused {
        error: problem.with_trace_id(trace_id),
    }
}

fn read(body: &[u8], batch_max: usize) -> Result<Vec<&RawValue>, Problem> {
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
