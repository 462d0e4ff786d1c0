//! `POST /v1/broadcasts`: takes an order, checked as far as it can be before there are rows; `?dry_run=true` only checks.
//! It must not judge a message: a sample of it is read like any other.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hongyan_courier::broadcast::expand::{Drafts, Undrafted};
use hongyan_courier::broadcast::port::{Append, AppendRefused};
use hongyan_courier::broadcast::recipe::Press;
use hongyan_courier::broadcast::rows::{BadRow, Next, Reader, survey};
use hongyan_courier::broadcast::{
    Broadcast, BroadcastId, NewBroadcast, Order, Place, State as Stands, Upload,
};
use hongyan_courier::port::{ChangeError, Nonce};
use hongyan_courier::time::UnixMs;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::recipients::Recipients;
use super::sample::too_rich;
use super::show::{BroadcastView, ProblemRow};
use super::{Broadcasting, refused};
use crate::api::door::Signed;
use crate::api::error::{FieldProblem, Problem};
use crate::api::messages::draft::written::{IGNORED, KNOWN, unknown_field};
use crate::api::messages::keys::idempotency;
use crate::api::query::Query;

const RATE_MAX: u64 = 100_000;
/// Fields that belong to one recipient.
const OF_ONE: [&str; 2] = ["touser", "client_msg_id"];
/// The bad rows that an answer lists.
pub(super) const PROBLEMS_SHOWN: usize = 100;

/// A message as `POST /v1/messages` takes it, without its recipient: its texts may name columns of the rows as
/// `{{column}}`. Without `data`, every column is a key of the template.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub struct NewBroadcastBody {
    #[schema(example = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY")]
    template_id: String,
    /// As in a message; may be left out.
    #[schema(value_type = Option<HashMap<String, crate::api::messages::send::TemplateValue>>)]
    data: Option<()>,
    url: Option<String>,
    #[schema(value_type = Option<Object>)]
    miniprogram: Option<()>,
    account: Option<String>,
    kind: Option<String>,
    /// `bulk` unless it says otherwise.
    priority: Option<String>,
    reference: Option<String>,
    /// `upload` (rows are handed over later), `all` (everybody who follows the account) or a list of up to 1,000: openids, or
    /// objects with an `openid` and the columns' texts.
    #[schema(value_type = Option<Value>)]
    recipients: Option<()>,
    /// At most so many messages a second.
    #[schema(minimum = 1, maximum = 100_000)]
    rate: Option<u32>,
    /// Not to begin before.
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// Nothing of it is sent after.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What a broadcast would come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastCheck {
    /// Rows that would become messages.
    rows: u64,
    /// Rows that would be passed over, be it for their shape or their values.
    bad_rows: u64,
    /// The first of them.
    problems: Vec<ProblemRow>,
}

/// Takes a broadcast. It begins when it is started.
#[utoipa::path(
    post, path = "/v1/broadcasts", tag = "broadcasts",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body name the same broadcast until 24 h after its end"),
        ("dry_run" = Option<bool>, Query, description = "Check it and the listed recipients, and store nothing"),
    ),
    request_body = NewBroadcastBody,
    responses(
        (status = 201, description = "It is stored", body = BroadcastView),
        (status = 200, description = "What it would come to, for `dry_run`", body = BroadcastCheck),
        (status = 409, description = "`idempotency_mismatch`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create(
    State(broadcasting): State<Arc<Broadcasting>>,
    uri: Uri,
    mut signed: Signed,
) -> Result<Response, Problem> {
    let mut query = Query::read(&uri)?;
    let dry_run = query.flag("dry_run")?;
    query.nothing_else(&["dry_run"])?;
    let now = broadcasting.clock.now();
    let key = idempotency("POST /v1/broadcasts", &signed, now)?;
    let (order, recipients) = broadcasting.read(&signed, now).await?;
    signed.about(&order.account);
    let rows = match recipients.rows {
        Some(bytes) => Some(broadcasting.listed(&order, bytes, now).await?),
        None => None,
    };
    if dry_run {
        // Nothing is done, so nothing is written down.
        if let Some(nonce) = signed.nonce {
            let nonce = Nonce { act: None, ..nonce };
            broadcasting.ledger.spend(nonce, now).await?;
        }
        return Ok(Json(broadcasting.check(&order, rows.as_ref(), now)).into_response());
    }
    let new = NewBroadcast {
        id: BroadcastId::new(now),
        order,
    };
    let broadcasts = &broadcasting.broadcasts;
    let (id, _) = broadcasts.create(new, key, signed.nonce, now).await?;
    let mut broadcast = broadcasting.find(id).await?;
    if let Some(rows) = rows
        && broadcast.state == Stands::Draft
    {
        broadcast = broadcasting.append_list(id, rows, now).await?;
    }
    let view = broadcasting.view(&broadcast, &[], now);
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

impl Broadcasting {
    async fn read(&self, signed: &Signed, now: UnixMs) -> Result<(Order, Recipients), Problem> {
        let mut body = object(&signed.body)?;
        let mut problems = Vec::new();
        let recipients = Recipients::read(body.remove("recipients")).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Recipients {
                source: hongyan_courier::broadcast::Source::Rows,
                rows: None,
            }
        });
        let rate = match body.remove("rate") {
            None | Some(Value::Null) => None,
            Some(rate) => match rate.as_u64().filter(|rate| (1..=RATE_MAX).contains(rate)) {
                Some(rate) => u32::try_from(rate).ok(),
                None => {
                    problems.push(FieldProblem::new(
                        "rate",
                        format!("must be 1 to {RATE_MAX}"),
                    ));
                    None
                }
            },
        };
        for field in OF_ONE {
            if body.remove(field).is_some() {
                problems.push(FieldProblem::new(field, "is not for a broadcast"));
            }
        }
        body.retain(|_, value| !value.is_null());
        problems.extend(take_out_unknown(&mut body));
        if let Some(problem) = too_rich(&body) {
            return Err(Problem::invalid_message(vec![problem]));
        }
        body.entry("priority").or_insert_with(|| "bulk".into());
        let caller = &signed.caller;
        // The rows might name it otherwise.
        let named = body.get("template_id").and_then(Value::as_str);
        if let Some(id) = named {
            caller.require_template(id)?;
        }
        let of = (&*caller.client, Some(caller));
        let sample = self.sample(&body, None, of, now).await;
        for of in ["send_at", "expires_at"] {
            body.remove(of);
        }
        match sample {
            Ok(draft) if problems.is_empty() => {
                let (content, expires_at) = draft.into_parts();
                // A recipe names its account: another one may be configured by the time that its rows are read.
                body.insert("account".to_owned(), content.account.as_str().into());
                let order = Order {
                    account: content.account,
                    client: caller.client.to_string(),
                    source: recipients.source,
                    recipe: body,
                    rate,
                    send_at: content.send_at,
                    expires_at,
                };
                Ok((order, recipients))
            }
            Ok(_) => Err(Problem::invalid_message(problems)),
            Err(refusal) if refusal.errors.is_empty() => Err(refusal),
            Err(refusal) => {
                problems.extend(refusal.errors);
                Err(Problem::invalid_message(problems))
            }
        }
    }

    /// The rows of a list, looked through.
    async fn listed(&self, order: &Order, bytes: Vec<u8>, now: UnixMs) -> Result<Append, Problem> {
        let found = survey(&bytes, Place::default(), None, true, 0).map_err(|error| {
            Problem::invalid_message(vec![FieldProblem::new("recipients", error.to_string())])
        })?;
        if let Some(columns) = &found.columns {
            self.sample(&order.recipe, Some(columns), (&order.client, None), now)
                .await?;
        }
        Ok(Append {
            offset: 0,
            upload: Upload {
                stored: bytes.len() as u64,
                complete: true,
                seen: found.place,
                columns: found.columns,
                rows: found.rows,
                bad: found.bad,
                next_openid: None,
            },
            bytes,
            bad: found.problems,
        })
    }

    async fn append_list(
        &self,
        id: BroadcastId,
        rows: Append,
        now: UnixMs,
    ) -> Result<Broadcast, Problem> {
        match self.broadcasts.append(id, rows, None, now).await {
            // The same order came twice at once, and the other one was faster.
            Err(ChangeError::Refused(AppendRefused::State(_) | AppendRefused::Offset(_))) => {
                self.find(id).await
            }
            appended => appended.map_err(refused),
        }
    }

    /// What would become of listed rows.
    fn check(&self, order: &Order, rows: Option<&Append>, now: UnixMs) -> BroadcastCheck {
        let mut check = BroadcastCheck {
            rows: 0,
            bad_rows: 0,
            problems: Vec::new(),
        };
        let Some(rows) = rows else { return check };
        let columns = rows.upload.columns.clone().unwrap_or_default();
        // Both were read before, so neither fails.
        let Ok(press) = Press::new(&order.recipe, &columns) else {
            return check;
        };
        let mut reader = Reader::new(&rows.bytes, Place::default(), true);
        if reader.header().is_err() {
            return check;
        }
        loop {
            let bad = match reader.next(&columns) {
                Ok(Next::Row(row)) => match self.drafts.draft(order, &press.body(&row), now) {
                    Ok(_) => {
                        check.rows += 1;
                        continue;
                    }
                    Err(Undrafted::Refused(fault) | Undrafted::NotNow(fault)) => BadRow {
                        line: row.line,
                        fault,
                    },
                },
                Ok(Next::Bad(bad)) => bad,
                Ok(Next::Nothing) | Err(_) => return check,
            };
            check.bad_rows += 1;
            if check.problems.len() < PROBLEMS_SHOWN {
                check.problems.push(ProblemRow::from(&bad));
            }
        }
    }
}

/// Fields that neither a broadcast nor a message has; of many, the first.
fn take_out_unknown(body: &mut Map<String, Value>) -> Vec<FieldProblem> {
    let of_messages = KNOWN.into_iter().filter(|name| !OF_ONE.contains(name));
    let known: Vec<&str> = of_messages.chain(["recipients", "rate"]).collect();
    let mut problems = Vec::new();
    body.retain(|name, _| {
        let fine = known.contains(&name.as_str()) || IGNORED.contains(&name.as_str());
        if !fine && problems.len() < known.len() {
            problems.push(unknown_field(name, "a broadcast", &known));
        }
        fine
    });
    problems
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    // A number would otherwise lose digits, and an array be read as an object's fields.
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::malformed("a broadcast must be a JSON object")),
        Err(error) => Err(Problem::malformed(format!("the body is not JSON: {error}"))),
    }
}
