//! `GET /v1/webhooks`, the events of one, posting them again, and resuming one that was switched off.
//! It must not show a secret, nor what an event's message says.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_courier::webhook::{
    Again, Backlog, Bell, Condition, EventId, EventState, Kept, Outbox, Sender, Subscription,
};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::{Moment, moment_called};
use crate::api::page;
use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::auth::client::Identity;

/// The most events that one call posts again, so that sending is not held up.
pub const AGAIN_MAX: usize = 1_000;

/// What the webhook calls are made of.
pub struct Webhooks {
    /// In the order of the configuration, each with its URL as it may be shown.
    pub hooks: Vec<(Subscription, String)>,
    pub outbox: Arc<dyn Outbox>,
    /// None where this process does not post.
    pub sender: Option<Arc<Sender>>,
    pub bell: Arc<Bell>,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookList {
    webhooks: Vec<WebhookView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    #[schema(example = "orders-status")]
    name: String,
    /// Whose messages it is told of.
    client: String,
    /// Without its query.
    url: String,
    /// Of what it is told.
    #[schema(example = json!(["message.delivered"]))]
    events: Vec<String>,
    /// Of which accounts; of all if it is empty.
    accounts: Vec<String>,
    /// `ok`, `failing` while it is asked by one event at a time, or `off` since it answered 410
    #[schema(example = "ok")]
    state: &'static str,
    /// Since when it is off. Nothing is posted to it until it is resumed.
    #[schema(value_type = Option<String>, format = DateTime)]
    off_since: Option<Moment>,
    /// While it is failing: when it is asked again.
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_at: Option<Moment>,
    /// What came of the last post, if it was not taken.
    last_error: Option<String>,
    /// So many events wait.
    waiting: u64,
    /// The oldest of them is of this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_waiting_at: Option<Moment>,
    /// So many were given up and can be posted again.
    failed: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    events: Vec<EventView>,
    /// Leads to the next page; none on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// The `webhook-id`.
    id: String,
    #[serde(rename = "type")]
    #[schema(example = "message.delivered")]
    kind: String,
    /// The message's id.
    message: String,
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// `waiting`, `delivered` or `failed`
    state: &'static str,
    tries: u32,
    /// Until when it waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Moment>,
    /// What came of the last try that failed.
    last_error: Option<String>,
}

impl From<Kept> for EventView {
    fn from(kept: Kept) -> Self {
        Self {
            id: kept.event.id.to_string(),
            kind: format!("message.{}", kept.event.status),
            message: kept.event.message.to_string(),
            at: Moment(kept.event.at),
            state: kept.state.as_str(),
            tries: kept.tries,
            next_attempt_at: kept.due_at.map(Moment),
            last_error: kept.last_error,
        }
    }
}

impl Webhooks {
    fn view(&self, (hook, url): &(Subscription, String), backlog: Option<&Backlog>) -> WebhookView {
        let condition = self.condition(&hook.name);
        let off_since = backlog.and_then(|of| of.off_since);
        let retry_at = condition.open_until.filter(|_| off_since.is_none());
        let events = hook
            .statuses
            .iter()
            .map(|status| format!("message.{status}"));
        WebhookView {
            name: hook.name.clone(),
            client: hook.client.clone(),
            url: url.clone(),
            events: events.collect(),
            accounts: hook.accounts.clone(),
            state: match (off_since, retry_at) {
                (Some(_), _) => "off",
                (None, Some(_)) => "failing",
                (None, None) => "ok",
            },
            off_since: off_since.map(Moment),
            retry_at: retry_at.map(Moment),
            last_error: condition.last_error,
            waiting: backlog.map_or(0, |of| of.waiting),
            oldest_waiting_at: backlog.and_then(|of| of.oldest).map(Moment),
            failed: backlog.map_or(0, |of| of.failed),
        }
    }

    /// How a webhook fares, where this process posts.
    pub(super) fn condition(&self, name: &str) -> Condition {
        let sender = self.sender.as_ref();
        sender
            .map(|sender| sender.condition(name))
            .unwrap_or_default()
    }

    /// Whether a caller is shown a webhook: one that is confined sees its own alone, since each tells of one client's messages.
    fn shows(caller: &Identity, hook: &Subscription) -> bool {
        caller.reach.is_everywhere() || *hook.client == *caller.client
    }

    pub(super) fn known(
        &self,
        name: &str,
        caller: &Identity,
    ) -> Result<&(Subscription, String), Problem> {
        let known = self.hooks.iter().find(|(hook, _)| hook.name == name);
        known
            .filter(|(hook, _)| Self::shows(caller, hook))
            .ok_or_else(|| Problem::not_found("there is no such webhook"))
    }
}

/// The webhooks, and how they fare.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks", responses((status = 200, body = WebhookList)))]
pub async fn list(
    State(webhooks): State<Arc<Webhooks>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<WebhookList>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let backlogs = webhooks.outbox.backlogs().await?;
    let view = |hook: &(Subscription, String)| {
        let backlog = backlogs.iter().find(|of| of.webhook == hook.0.name);
        webhooks.view(hook, backlog)
    };
    let hooks = webhooks.hooks.iter();
    let shown = hooks.filter(|(hook, _)| Webhooks::shows(&signed.caller, hook));
    Ok(Json(WebhookList {
        webhooks: shown.map(view).collect(),
    }))
}

/// The events of a webhook, newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{name}/events", tag = "webhooks",
    params(
        ("name" = String, Path, description = "The webhook's name"),
        ("state" = Option<String>, Query, description = "waiting, delivered or failed"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u64>, Query, description = "50 by default, 200 at most"),
    ),
    responses((status = 200, body = EventPage), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub async fn events(
    State(webhooks): State<Arc<Webhooks>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<EventPage>, Problem> {
    let mut query = Query::read(&uri)?;
    let state = query.word("state", EventState::ALL, EventState::as_str)?;
    let before = query.cursor(|place| place.try_into().ok().map(EventId::from_bytes))?;
    let limit = page::limit(&mut query)?;
    query.nothing_else(&["state", "cursor", "limit"])?;
    webhooks.known(&name, &signed.caller)?;
    // One more than shown tells whether there is a next page.
    let page = webhooks.outbox.events(&name, state, before, limit + 1);
    let mut found = page.await?;
    let last = page::cut(&mut found, limit);
    Ok(Json(EventPage {
        next_cursor: last.map(|kept| page::cursor(kept.event.id.as_bytes())),
        events: found.into_iter().map(EventView::from).collect(),
    }))
}

/// Which events to post again; without anything those that were given up.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redelivery {
    /// This one, also if it was taken before.
    #[serde(default)]
    event: Option<String>,
    /// Those that were given up and are of this moment or later.
    #[serde(default)]
    #[schema(format = DateTime)]
    since: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Redelivered {
    /// So many are posted again now. At most 1000 for one call: after as many, call again.
    events: usize,
}

/// Posts events again, with all their tries and time ahead of them. Those whose message was forgotten are left as they are:
/// there is nothing to post.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/redeliver", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name")),
    request_body(content = Option<Redelivery>, description = "May be left out"),
    responses(
        (status = 202, description = "They are due now", body = Redelivered),
        (status = 404, description = "No such webhook or event, or the event's message was forgotten", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn redeliver(
    State(webhooks): State<Arc<Webhooks>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<(StatusCode, Json<Redelivered>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let wish: Redelivery = body::optional(&signed.body)?;
    webhooks.known(&name, &signed.caller)?;
    let which = wish.read()?;
    let now = webhooks.clock.now();
    let again = webhooks
        .outbox
        .post_again(&name, which, AGAIN_MAX, signed.nonce, now);
    let events = again.await?;
    if events == 0 && matches!(which, Again::One(_)) {
        return Err(Problem::not_found(
            "there is no such event, or its message was forgotten, so that there is nothing left to post",
        ));
    }
    webhooks.bell.ring();
    Ok((StatusCode::ACCEPTED, Json(Redelivered { events })))
}

/// Posts to a webhook again that was switched off, what waited meanwhile first. On one that is not, it changes nothing.
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/resume", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name")),
    responses(
        (status = 200, body = WebhookView),
        (status = 404, description = "No such webhook", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(
    State(webhooks): State<Arc<Webhooks>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<WebhookView>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let hook = webhooks.known(&name, &signed.caller)?;
    let now = webhooks.clock.now();
    webhooks.outbox.resume(&name, signed.nonce, now).await?;
    webhooks.bell.ring();
    let backlogs = webhooks.outbox.backlogs().await?;
    let backlog = backlogs.iter().find(|of| of.webhook == name);
    Ok(Json(webhooks.view(hook, backlog)))
}

impl Redelivery {
    fn read(&self) -> Result<Again, Problem> {
        match (&self.event, &self.since) {
            (Some(_), Some(_)) => Err(Problem::malformed("give either event or since, not both")),
            (Some(id), None) => id
                .parse()
                .map(Again::One)
                .map_err(|_| Problem::not_found("there is no such event")),
            (None, Some(since)) => moment_called("since", since).map(Again::Failed),
            (None, None) => Ok(Again::Failed(UnixMs(0))),
        }
    }
}
