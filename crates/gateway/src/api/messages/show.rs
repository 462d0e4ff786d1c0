//! `GET /v1/messages/{id}`, and how a message looks to its caller wherever one is shown.
//! It must not show what only operators of the store need: leases, generations, doubt.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::delivery::{Attempt, ReceiptRecord};
use hongyan_courier::dispatch::Slots;
use hongyan_courier::kind::Extras;
use hongyan_courier::message::{Message, MessageId, Status};
use hongyan_courier::port::Ledger;
use hongyan_courier::time::Clock;
use hongyan_courier::token::Keeper;
use http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::auth::client::Identity;

/// What the messages are shown from.
pub struct Messages {
    pub accounts: Arc<Accounts>,
    pub ledger: Arc<dyn Ledger>,
    pub slots: Arc<Slots>,
    pub keeper: Arc<Keeper>,
    pub clock: Arc<dyn Clock>,
}

impl Messages {
    /// As a caller sees it now.
    pub(super) fn view(&self, message: &Message) -> MessageView {
        let mut view = MessageView::from(message);
        self.foresee(&mut view, message);
        view
    }

    /// When it is due says little while its account is held back: quiet hours, a quota that is spent, no token, a lane that is
    /// closed.
    fn foresee(&self, view: &mut MessageView, message: &Message) {
        if view.next_attempt_at.is_some() {
            let token_at = self.keeper.may_be_ready_at(&message.content.account);
            let at = self.slots.may_go_at(message, token_at, self.clock.now());
            view.next_attempt_at = Some(Moment(at));
        }
    }
}

/// A message: where it stands, and the calls made for it.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    #[schema(example = "0198c7a1f0c27d3aa5c2f4d1e8b97f10")]
    pub id: String,
    pub account: String,
    #[schema(example = "template")]
    pub kind: &'static str,
    #[schema(example = "sent")]
    pub status: &'static str,
    /// Why it stands there, as a stable word.
    pub reason: Option<&'static str>,
    pub touser: String,
    pub template_id: String,
    /// WeChat's id, as text: it has 19 digits.
    #[schema(example = "3717005636572528642")]
    pub msgid: Option<String>,
    pub reference: Option<String>,
    /// The broadcast whose row it was made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub broadcast: Option<String>,
    /// The client that handed it over.
    pub client: String,
    #[schema(example = "normal")]
    pub priority: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Moment,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub send_at: Option<Moment>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Moment>,
    /// Until when it waits, while it is queued, as far as is known; a moment that passed means that it is its turn. None while
    /// its broadcast is paused.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Moment>,
    /// The calls made for it, oldest first; at most the last 20.
    pub attempts: Vec<AttemptView>,
    pub receipt: Option<ReceiptView>,
}

/// One call to WeChat.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub struct AttemptView {
    #[schema(value_type = String, format = DateTime)]
    pub at: Moment,
    /// None if no answer could be read.
    pub errcode: Option<i64>,
    pub errmsg: String,
    /// WeChat's request id.
    pub rid: Option<String>,
    pub took_ms: u32,
}

/// WeChat's later word.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptView {
    #[schema(example = "success")]
    pub status: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Moment,
    /// What else WeChat said of the message, which this outweighs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub outweighed: Vec<String>,
}

/// A message together with what was handed over.
#[derive(Serialize, ToSchema)]
pub struct WholeMessage {
    #[serde(flatten)]
    pub message: MessageView,
    pub url: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub miniprogram: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    pub data: Option<Box<RawValue>>,
    /// The fields that only some kinds have.
    #[serde(flatten)]
    pub extras: ExtrasView,
}

/// The fields that only some kinds have.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Extras)]
pub struct ExtrasView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub miniprogram_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It goes out whatever is recorded against its recipient.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub override_suppression: bool,
}

impl From<&Extras> for ExtrasView {
    fn from(extras: &Extras) -> Self {
        Self {
            page: extras.page.clone(),
            lang: extras.lang.clone(),
            miniprogram_state: extras.miniprogram_state.clone(),
            scene: extras.scene,
            title: extras.title.clone(),
            override_suppression: extras.override_suppression,
        }
    }
}

impl From<&Message> for MessageView {
    fn from(message: &Message) -> Self {
        let (content, delivery) = (&message.content, &message.delivery);
        let waits = delivery.status == Status::Queued;
        Self {
            id: message.id.to_string(),
            account: content.account.to_string(),
            kind: content.kind.as_str(),
            status: delivery.status.as_str(),
            reason: delivery.reason.map(|reason| reason.as_str()),
            touser: content.touser.clone(),
            template_id: content.template_id.clone(),
            msgid: delivery.msgid.map(|msgid| msgid.to_string()),
            reference: content.reference.clone(),
            broadcast: content.broadcast.map(|of| of.id.to_string()),
            client: content.client.clone(),
            priority: content.priority.as_str(),
            created_at: Moment(message.created_at),
            send_at: content.send_at.map(Moment),
            expires_at: delivery.expires_at.map(Moment),
            next_attempt_at: (waits && !delivery.is_held()).then_some(Moment(delivery.due_at)),
            attempts: delivery.attempts.iter().map(AttemptView::from).collect(),
            receipt: delivery.receipt.as_ref().map(ReceiptView::from),
        }
    }
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            at: Moment(attempt.at),
            errcode: attempt.errcode,
            errmsg: attempt.errmsg.clone(),
            rid: attempt.rid.clone(),
            took_ms: attempt.took_ms,
        }
    }
}

impl From<&ReceiptRecord> for ReceiptView {
    fn from(receipt: &ReceiptRecord) -> Self {
        Self {
            status: receipt.status.clone(),
            at: Moment(receipt.at),
            outweighed: receipt.outweighed.clone(),
        }
    }
}

impl From<&Message> for WholeMessage {
    fn from(message: &Message) -> Self {
        let json = |text: &str| RawValue::from_string(text.to_owned()).ok();
        Self {
            message: MessageView::from(message),
            url: message.content.url.clone(),
            miniprogram: message.content.miniprogram.as_deref().and_then(json),
            data: json(&message.content.data),
            extras: message
                .content
                .extras
                .as_deref()
                .map(ExtrasView::from)
                .unwrap_or_default(),
        }
    }
}

/// The id of a path; what is no id names no message.
pub(super) fn message_id(text: &str) -> Result<MessageId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("there is no such message"))
}

/// A message. One that the caller does not reach is not there.
pub(super) async fn reached(
    ledger: &dyn Ledger,
    id: MessageId,
    caller: &Identity,
) -> Result<Message, Problem> {
    let found = ledger.find(id).await?.filter(|message| {
        let content = &message.content;
        caller.reaches(&content.account, &content.template_id)
    });
    found.ok_or_else(|| Problem::not_found("there is no such message"))
}

/// One message with its attempts.
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path, description = "The message's id")),
    responses((status = 200, body = WholeMessage), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub async fn show(
    State(messages): State<Arc<Messages>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<WholeMessage>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let message = reached(&*messages.ledger, message_id(&id)?, &signed.caller).await?;
    let mut whole = WholeMessage::from(&message);
    messages.foresee(&mut whole.message, &message);
    Ok(Json(whole))
}
