//! A message as an SDK sends it: stored like any other, then waited for as long as SDKs wait.
//! It must not send anything, nor answer that a stored message failed for a passing reason.

use std::time::Duration;

use bytes::Bytes;
use hongyan_courier::kind::Kind;
use hongyan_courier::message::AccountName;
use tokio::time::{Instant, timeout_at};

use super::Compat;
use super::answer::{Answer, Refusal};
use super::codes;
use crate::api::messages::foreign::NotTaken;
use crate::auth::client::Identity;
use crate::telemetry::trace::TraceId;

/// How long it is waited for what becomes of a message. SDKs give up after five seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it is waited for the store in all: whoever gave up learns nothing, and sends the message again.
const STORE_PATIENCE: Duration = Duration::from_secs(4);

impl Compat {
    pub(super) async fn send(
        &self,
        (caller, account): (&Identity, &AccountName),
        kind: Kind,
        body: &Bytes,
        trace: TraceId,
    ) -> Result<Answer, Refusal> {
        if body.trim_ascii().is_empty() {
            return Err(Refusal::new(44002, "empty post data"));
        }
        let limited = self.limits.account(account.as_str(), 1).await;
        limited.map_err(|_| codes::slower())?;
        let began = Instant::now();
        let trace = trace.to_string();
        let taking = self
            .intake
            .take_foreign(body, (kind, account), (caller, &trace));
        let Ok(taken) = timeout_at(began + STORE_PATIENCE, taking).await else {
            return Err(codes::perhaps_stored());
        };
        let stored = match taken {
            Ok(stored) => stored,
            Err(NotTaken::Invalid(problem)) => return Err(codes::of_problem(&problem)),
            Err(NotTaken::Mismatch) => return Err(codes::mismatch()),
            Err(NotTaken::Store(error)) => return Err(codes::of_store(&error)),
        };
        let patience = PATIENCE.saturating_sub(began.elapsed());
        match self.intake.outcome_of(&stored, patience).await {
            Some(message) => codes::of_message(&message),
            None => Ok(Answer::Sent {
                msgid: Some(stored.id.number()),
            }),
        }
    }
}
