//! `POST /v1/recipients/{openid}/suppress` and `…/resume`: a person's word on whether somebody is written to.
//! It must not end any message: those that wait or come later are judged by it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::recipient::{News, Source, What};
use hongyan_courier::time::UnixMs;
use http::Uri;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::RecipientView;
use super::{Contacts, check_id};
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::moment_called;
use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::auth::client::Identity;

const NOTE_CHARS_MAX: usize = 256;

/// What is not to be sent any more.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppress {
    /// This template alone; all where it is left out.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    template_id: Option<String>,
    /// Until when; for good where it is left out.
    #[serde(default)]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Why, in your own words.
    #[serde(default)]
    #[schema(max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    note: Option<String>,
}

/// What is to be sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Lifts what is about this template alone; everything where it is left out.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    template_id: Option<String>,
    /// Until then nothing that WeChat says suppresses this recipient.
    #[serde(default)]
    #[schema(format = DateTime)]
    override_until: Option<String>,
}

/// Sends nothing more, or not this template, to a recipient. Messages end as `suppressed`, with the reason
/// `suppressed_by_operator`.
#[utoipa::path(
    post, path = "/v1/recipients/{openid}/suppress", tag = "recipients",
    params(
        ("openid" = String, Path, description = "The recipient's openid"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    request_body(content = Option<Suppress>, description = "May be left out"),
    responses(
        (status = 200, body = RecipientView),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn suppress(
    State(contacts): State<Arc<Contacts>>,
    PathPart(openid): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<RecipientView>, Problem> {
    let mut query = Query::read(&uri)?;
    let account = query.text("account")?;
    query.nothing_else(&["account"])?;
    let wish: Suppress = body::optional(&signed.body)?;
    let note = wish.note.filter(|note| !note.is_empty());
    if note.as_deref().is_some_and(|note| !is_line(note)) {
        return Err(Problem::malformed(format!(
            "note must be one line of at most {NOTE_CHARS_MAX} characters"
        )));
    }
    let what = What::Suppress {
        template_id: template(wish.template_id, &signed.caller)?,
        expires_at: contacts.future("expires_at", wish.expires_at)?,
        note,
    };
    contacts.told(account, openid, what, signed).await
}

/// Sends to a recipient again. Messages that wait for want of that (`frequency_limited`) go on at once. What was suppressed
/// before stays so; it can be sent again by its own `retry`.
#[utoipa::path(
    post, path = "/v1/recipients/{openid}/resume", tag = "recipients",
    params(
        ("openid" = String, Path, description = "The recipient's openid"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    request_body(content = Option<Resume>, description = "May be left out"),
    responses(
        (status = 200, body = RecipientView),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(
    State(contacts): State<Arc<Contacts>>,
    PathPart(openid): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<RecipientView>, Problem> {
    let mut query = Query::read(&uri)?;
    let account = query.text("account")?;
    query.nothing_else(&["account"])?;
    let wish: Resume = body::optional(&signed.body)?;
    if wish.override_until.is_some() {
        signed.caller.require_every_template()?;
    }
    let what = What::Resume {
        template_id: template(wish.template_id, &signed.caller)?,
        override_until: contacts.future("override_until", wish.override_until)?,
    };
    contacts.told(account, openid, what, signed).await
}

impl Contacts {
    async fn told(
        &self,
        account: Option<String>,
        openid: String,
        what: What,
        mut signed: Signed,
    ) -> Result<Json<RecipientView>, Problem> {
        check_id("openid", &openid)?;
        let seen = self.accounts.seen_by(&signed.caller);
        let account = seen.named(account.as_deref())?.clone();
        signed.about(&account);
        let now = self.clock.now();
        let news = News {
            what,
            source: Source::Operator,
            at: now,
            errcode: None,
        };
        let heard = self
            .hearing
            .hear(&account, &openid, vec![news], signed.nonce);
        let known = heard.await?.recipient;
        tracing::info!(%account, client = %signed.caller.client, "a recipient was suppressed or resumed");
        let view = RecipientView::of(&account, openid, known, now);
        Ok(Json(view.for_caller(&signed.caller)))
    }

    fn future(&self, name: &str, text: Option<String>) -> Result<Option<UnixMs>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let at = moment_called(name, &text)?;
        if at <= self.clock.now() {
            return Err(Problem::malformed(format!("{name} has passed")));
        }
        Ok(Some(at))
    }
}

fn template(id: Option<String>, caller: &Identity) -> Result<Option<String>, Problem> {
    match &id {
        Some(id) => {
            check_id("template_id", id)?;
            caller.require_template(id)?;
        }
        None => caller.require_every_template()?,
    }
    Ok(id)
}

fn is_line(text: &str) -> bool {
    text.chars().count() <= NOTE_CHARS_MAX && !text.chars().any(char::is_control)
}
