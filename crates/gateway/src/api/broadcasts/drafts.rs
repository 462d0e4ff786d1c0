//! The message of a row, by the very same reading as a message that a caller hands over alone: its template's rules apply.
//! It must not know rows.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hongyan_courier::broadcast::Order;
use hongyan_courier::broadcast::expand::{Drafts, Undrafted};
use hongyan_courier::broadcast::rows::Fault;
use hongyan_courier::message::Content;
use hongyan_courier::template::book::{Book, Lists};
use hongyan_courier::template::measure::Counting;
use hongyan_courier::time::UnixMs;

use crate::api::accounts::Accounts;
use crate::api::error::{FieldProblem, Problem};
use crate::api::messages::draft::{Draft, Refusal, Surroundings};
use crate::auth::client::Identity;
use crate::telemetry::trace::TraceId;

/// How long a caller waits for a list that may have the template.
const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// Reads rows as messages.
pub struct RowDrafts {
    /// They may be others by the time of a later row.
    pub accounts: Arc<ArcSwap<Accounts>>,
    pub lists: Arc<dyn Lists>,
    pub counting: Counting,
}

/// Whose rows, and whose accounts they may be of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) client: &'a str,
    /// None for the rows of an order that was taken: they may be of any.
    pub(super) caller: Option<&'a Identity>,
    /// Whether WeChat was asked by now, as far as it may be, for a template that is in no list.
    pub(super) asked: bool,
}

impl RowDrafts {
    pub(super) fn read(
        &self,
        body: &str,
        Of {
            client,
            caller,
            asked,
        }: Of<'_>,
        now: UnixMs,
        lists: &dyn Lists,
    ) -> Result<Draft, Refusal> {
        let trace_id = TraceId::random().to_string();
        let accounts = self.accounts.load();
        let around = Surroundings {
            accounts: match caller {
                Some(caller) => accounts.seen_by(caller),
                None => accounts.seen_by_all(),
            },
            client,
            trace_id: &trace_id,
            now,
            lists,
            asked,
            counting: self.counting,
            may_override: false,
        };
        Draft::from_json(body, around)
    }

    /// Whether a message like this would wait now, had it been taken before.
    fn waits(&self, wanted: &Content) -> bool {
        let stops = &self.lists.known(&wanted.account).stops;
        stops.contains_key(&wanted.template_id)
            || self
                .accounts
                .load()
                .seen_by_all()
                .find(wanted.account.as_str())
                .is_none()
    }

    /// Has a list fetched that may have the template.
    pub(super) async fn look_again(&self, book: &Book, unlisted: &Content) {
        let (account, template_id) = (&unlisted.account, &unlisted.template_id);
        book.look_again(account, &[(unlisted.kind, template_id)], LIST_PATIENCE)
            .await;
    }
}

impl Drafts for RowDrafts {
    fn draft(&self, order: &Order, body: &str, now: UnixMs) -> Result<Content, Undrafted> {
        let of = Of {
            client: &order.client,
            caller: None,
            // It was for the order.
            asked: true,
        };
        let refusal = match self.read(body, of, now, &*self.lists) {
            Ok(draft) => return Ok(draft.into_content()),
            Err(refusal) => refusal,
        };
        let may_pass = refusal.for_now().is_some_and(|wanted| self.waits(wanted));
        let fault = fault(refusal.problem);
        Err(if may_pass {
            Undrafted::NotNow(fault)
        } else {
            Undrafted::Refused(fault)
        })
    }
}

/// What is wrong with a row, field by field, in each language; where a field's fault has no Chinese, in English.
fn fault(problem: Problem) -> Fault {
    let errors = &problem.errors;
    if errors.is_empty() {
        return Fault {
            english: problem.detail,
            chinese: None,
        };
    }
    let each = |text: fn(&FieldProblem) -> &str| {
        let each = errors.iter().map(|e| format!("{}: {}", e.field, text(e)));
        each.collect::<Vec<_>>()
    };
    let known = errors.iter().any(|e| e.problem_zh.is_some());
    let chinese = || each(|e| e.problem_zh.as_ref().unwrap_or(&e.problem)).join("；");
    Fault {
        english: each(|e| &e.problem).join("; "),
        chinese: known.then(chinese),
    }
}
