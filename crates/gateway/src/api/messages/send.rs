//! `POST /v1/messages`: one message in, durable before it is answered; with `?wait=` answered when it is sent.
//! It must not look at a body twice: this is the hot path.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use hongyan_courier::accept::Acceptor;
use hongyan_courier::message::{Content, Message, Reason};
use hongyan_courier::port::{Accept, IdempotencyKey, Ledger, Nonce, Stored};
use hongyan_courier::recipient::Recipients;
use hongyan_courier::template::book::Book;
use hongyan_courier::template::measure::Counting;
use hongyan_courier::time::UnixMs;
use http::{StatusCode, Uri};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::agreement::Told;
use super::draft::{Draft, Refusal, Surroundings};
use super::dry_run::DryRun;
use super::keys::{dedupe_mismatch, idempotency, new_message};
use super::show::MessageView;
use crate::api::accounts::Accounts;
use crate::api::door::{Signed, Unchanged};
use crate::api::error::Problem;
use crate::api::query::Query;
use crate::auth::client::Identity;
use crate::auth::scope::Scope;
use crate::limits::Limits;
use crate::telemetry::trace::TraceId;
use crate::wait::Waiters;

/// How long a message waits for a list that may have its template.
pub(super) const LIST_PATIENCE: Duration = Duration::from_secs(5);

/// Where messages are handed over.
pub struct Intake {
    pub acceptor: Acceptor,
    pub ledger: Arc<dyn Ledger>,
    pub accounts: Arc<Accounts>,
    /// What messages are checked against.
    pub templates: Arc<Book>,
    pub counting: Counting,
    /// Who agreed to what.
    pub recipients: Arc<dyn Recipients>,
    pub waiters: Arc<Waiters>,
    pub limits: Arc<Limits>,
    pub wait_max: Duration,
    pub batch_max: usize,
    /// Nobody is kept waiting by a gateway that stops.
    pub stop: CancellationToken,
}

/// A message that is stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedMessage {
    #[schema(example = "0198c7a1f0c27d3aa5c2f4d1e8b97f10")]
    pub id: String,
    #[schema(example = "queued")]
    pub status: &'static str,
    /// Why, if it ended at once: its recipient is suppressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    pub reason: Option<&'static str>,
    /// What you should know although the message is taken: what WeChat will drop or cut, that its template is stopped, that
    /// its user is not known to have agreed to another message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

/// A message as WeChat's own interface takes it, plus the gateway's optional fields.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
pub struct SendMessage {
    /// The recipient's openid.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[!-~]+$",
        example = "oDemo5eedc0ffee0000000000001"
    )]
    touser: String,
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[!-~]+$",
        example = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
    )]
    template_id: String,
    /// By the template's keys, without `.DATA`: `{"thing1": {"value": "…"}}`. 1 to 64 of them.
    #[schema(value_type = HashMap<String, TemplateValue>)]
    data: (),
    /// The landing page, http or https.
    #[schema(max_length = 2048, example = "https://example.com/orders/42")]
    url: Option<String>,
    /// Wins over `url`.
    #[schema(value_type = Option<MiniProgramTarget>)]
    miniprogram: Option<()>,
    /// The account that sends; may be left out while there is only one.
    account: Option<String>,
    /// Deduplicates by client, account and openid for 24 h.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    client_msg_id: Option<String>,
    /// `template`, `subscription` (of a service account), `one_time_subscription` or `miniprogram_subscription`
    #[schema(pattern = "^(template|subscription|one_time_subscription|miniprogram_subscription)$")]
    kind: Option<String>,
    /// Where a tap leads: an address for a subscription message, a page for a mini-program's.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    page: Option<String>,
    /// For both: in which language the card is shown.
    #[schema(pattern = "^(zh_CN|en_US|zh_HK|zh_TW)$")]
    lang: Option<String>,
    /// For both: which version of the mini-program a tap opens.
    #[schema(pattern = "^(developer|trial|formal)$")]
    miniprogram_state: Option<String>,
    /// For a one-time subscription: the scene of the authorise page.
    #[schema(minimum = 0, maximum = 10000)]
    scene: Option<u16>,
    /// For a one-time subscription: the card's title.
    #[schema(
        min_length = 1,
        max_length = 15,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    title: Option<String>,
    /// `high`, `normal` or `bulk`
    #[schema(pattern = "^(high|normal|bulk)$")]
    priority: Option<String>,
    #[schema(format = DateTime)]
    send_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Your own word for it, shown and searchable.
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    reference: Option<String>,
    /// What becomes of it if WeChat would refuse a value: `reject`, `truncate` or `send`; by default what the account says
    #[schema(pattern = "^(reject|truncate|send)$")]
    on_violation: Option<String>,
    /// Sends it whatever is recorded against its recipient. For clients with the scope `recipients`.
    override_suppression: Option<bool>,
}

/// A value of a template.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a part of the body")]
pub struct TemplateValue {
    #[schema(max_length = 4096)]
    value: String,
    /// Taken and left out: WeChat ignores it since 2023.
    color: Option<String>,
}

/// A page of a mini-program that is linked to the account.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents a part of the body")]
pub struct MiniProgramTarget {
    #[schema(max_length = 64, pattern = "^[!-~]+$")]
    appid: String,
    #[schema(max_length = 1024, pattern = "^[!-~]*$")]
    pagepath: Option<String>,
}

/// Hands one message over. It is durable when it is answered.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages",
    params(
        ("wait" = Option<u64>, Query, description = "Answer when the message is sent or has ended, at most so many seconds later (30 at most)"),
        ("dry_run" = Option<bool>, Query, description = "Check everything, store nothing, and answer what would happen"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body within 24 h is the same message"),
    ),
    request_body = SendMessage,
    responses(
        (status = 202, description = "Stored", body = AcceptedMessage),
        (status = 200, description = "Sent or ended, for `?wait=`; what would happen, for `?dry_run=true`", body = Answered),
        (status = 409, description = "`idempotency_mismatch`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn send(
    State(intake): State<Arc<Intake>>,
    Extension(trace_id): Extension<TraceId>,
    uri: Uri,
    signed: Signed,
) -> Result<Response, Problem> {
    let Wish { patience, dry_run } = wish(&uri, intake.wait_max)?;
    let now = intake.acceptor.clock.now();
    let idempotency = idempotency("/v1/messages", &signed, now)?;
    let trace = trace_id.to_string();
    let around = intake.around(&signed.caller, &trace, now);
    let read = intake.read(&signed.body, around).await;
    if dry_run {
        let rehearsed = intake.rehearse(read, idempotency, now).await?;
        let answer = Json(Answered::DryRun(rehearsed));
        return Ok((Extension(Unchanged), answer).into_response());
    }
    if let Ok(draft) = &read {
        let account = draft.content.account.as_str();
        intake.limits.account(account, 1).await?;
    }
    let (stored, warnings) = match read {
        Ok(draft) => intake.take(draft, idempotency, signed.nonce, now).await?,
        Err(refusal) => {
            intake
                .taken_before(refusal, idempotency, signed.nonce, now)
                .await?
        }
    };
    if let Some(patience) = patience
        && let Some(message) = intake.settled(&stored, patience).await
    {
        let message = MessageView::from(&message);
        let waited_for = Box::new(WaitedFor { message, warnings });
        return Ok(Json(Answered::Message(waited_for)).into_response());
    }
    Ok((
        StatusCode::ACCEPTED,
        Json(accepted_message(&stored, warnings)),
    )
        .into_response())
}

/// What is answered with 200.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answered {
    Message(Box<WaitedFor>),
    DryRun(DryRun),
}

/// A message that was waited for.
#[derive(Serialize, ToSchema)]
pub struct WaitedFor {
    #[serde(flatten)]
    message: MessageView,
    /// What you should know although the message was taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
}

impl Intake {
    pub(super) fn around<'a>(
        &'a self,
        caller: &'a Identity,
        trace_id: &'a str,
        now: UnixMs,
    ) -> Surroundings<'a> {
        Surroundings {
            accounts: self.accounts.seen_by(caller),
            client: &caller.client,
            trace_id,
            now,
            lists: &*self.templates,
            asked: false,
            counting: self.counting,
            may_override: caller.require(Scope::Recipients).is_ok(),
        }
    }

    /// Reads a message; if its template is in no list, once more with a fresh one.
    async fn read(&self, body: &[u8], around: Surroundings<'_>) -> Result<Draft, Refusal> {
        let read = Draft::from_body(body, around);
        let Some(unlisted) = read.as_ref().err().and_then(Refusal::unlisted) else {
            return read;
        };
        self.look_again(&[unlisted], LIST_PATIENCE).await;
        Draft::from_body(body, around.asked())
    }

    /// Has the list fetched that may have the templates of these, all of one account.
    pub(super) async fn look_again(&self, unlisted: &[&Content], patience: Duration) {
        let Some(first) = unlisted.first() else {
            return;
        };
        let wanted = unlisted
            .iter()
            .map(|one| (one.kind, one.template_id.as_str()));
        let wanted: Vec<_> = wanted.collect();
        self.templates
            .look_again(&first.account, &wanted, patience)
            .await;
    }

    async fn take(
        &self,
        mut draft: Draft,
        idempotency: Option<IdempotencyKey>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(Stored, Vec<String>), Problem> {
        let told = Told {
            used_up: self.used_up(&draft.content).await,
            warnings: std::mem::take(&mut draft.warnings),
        };
        let call = Accept {
            nonce,
            idempotency,
            messages: vec![new_message(draft, now)],
            broadcast: None,
        };
        let accepted = self.acceptor.accept(call).await?;
        match accepted.into_iter().next() {
            Some(Ok(stored)) => Ok((stored, told.of(&stored))),
            Some(Err(_)) => Err(dedupe_mismatch()),
            None => Err(Problem::internal()),
        }
    }

    /// The message, once it is sent or has ended; none if that takes longer.
    pub(super) async fn settled(&self, stored: &Stored, patience: Duration) -> Option<Message> {
        let waiting = self
            .waiters
            .settled(&*self.ledger, stored.id, patience, &self.stop);
        match waiting.await {
            Ok(message) => message,
            // The message is stored all the same, which is what the caller must learn.
            Err(error) => {
                tracing::warn!(%error, "cannot look after a message that a caller waits for");
                None
            }
        }
    }
}

pub(super) fn accepted_message(stored: &Stored, warnings: Vec<String>) -> AcceptedMessage {
    AcceptedMessage {
        id: stored.id.to_string(),
        status: stored.status.as_str(),
        reason: stored.reason.map(Reason::as_str),
        warnings,
    }
}

/// What the query asks for.
struct Wish {
    patience: Option<Duration>,
    dry_run: bool,
}

fn wish(uri: &Uri, most: Duration) -> Result<Wish, Problem> {
    let mut query = Query::read(uri)?;
    let seconds: Option<u64> = query.number("wait")?;
    let dry_run = query.flag("dry_run")?;
    query.nothing_else(&["wait", "dry_run"])?;
    let patience = seconds
        .map(Duration::from_secs)
        .filter(|wait| !wait.is_zero());
    if patience.is_some_and(|wait| wait > most) {
        let text = format!("wait is at most {} seconds", most.as_secs());
        return Err(Problem::malformed(text));
    }
    if dry_run && patience.is_some() {
        let text = "wait has no meaning with dry_run: nothing is sent";
        return Err(Problem::malformed(text));
    }
    Ok(Wish { patience, dry_run })
}
