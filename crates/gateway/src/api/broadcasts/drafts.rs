//! The message of a row, by the very same reading as a message that a caller hands over alone.
//! It must not know rows.

use std::sync::Arc;

use hongyan_courier::broadcast::Order;
use hongyan_courier::broadcast::expand::Drafts;
use hongyan_courier::message::Content;
use hongyan_courier::time::UnixMs;

use crate::api::accounts::Accounts;
use crate::api::messages::draft::{Draft, Surroundings};
use crate::telemetry::trace::TraceId;

/// Reads rows as messages.
pub struct RowDrafts {
    pub accounts: Arc<Accounts>,
}

impl Drafts for RowDrafts {
    fn draft(&self, order: &Order, body: &str, now: UnixMs) -> Result<Content, String> {
        let trace_id = TraceId::random().to_string();
        let around = Surroundings {
            accounts: &self.accounts,
            client: &order.client,
            trace_id: &trace_id,
            now,
        };
        match Draft::from_json(body, around) {
            Ok(draft) => Ok(draft.into_content()),
            Err(refusal) => Err(match refusal.problem.errors.as_slice() {
                [] => refusal.problem.detail,
                errors => {
                    let each = errors.iter().map(|e| format!("{}: {}", e.field, e.problem));
                    each.collect::<Vec<_>>().join("; ")
                }
            }),
        }
    }
}
