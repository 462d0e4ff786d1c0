//! `POST /v1/messages?dry_run=true`: what would become of a message, and what its user would see.
//! It must not store anything; the door uses its nonce up.

use hongyan_courier::message::{Content, Reason};
use hongyan_courier::port::{AcceptError, DedupeMismatch, IdempotencyKey, Stored};
use hongyan_courier::recipient::{Hold, hold};
use hongyan_courier::template::book::{Lists, Lookup};
use hongyan_courier::template::render::render;
use hongyan_courier::template::values::Values;
use hongyan_courier::time::UnixMs;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::draft::{Draft, Refusal};
use super::keys::{dedupe_mismatch, new_message};
use super::send::Intake;
use crate::api::error::Problem;

/// What would become of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRun {
    /// Always true
    dry_run: bool,
    /// `send`: it would be stored and sent; `wait`: it would be stored and wait, because its template is stopped or its
    /// recipient gets too much; `suppress`: it would be stored and end without a call, because its recipient is suppressed;
    /// `repeat`: its key is known, and the message that it stands for would be answered
    #[schema(example = "send")]
    would: &'static str,
    /// Why it would wait or be suppressed.
    #[schema(value_type = Option<String>, required = true)]
    reason: Option<&'static str>,
    /// The message that it would repeat.
    id: Option<String>,
    account: Option<String>,
    template_id: Option<String>,
    /// The template's title, where it is known.
    title: Option<String>,
    /// Whether its values were checked: they are not while no list of templates is known.
    checked: bool,
    /// What its user would see, where the template is known.
    #[schema(example = "商品：咖啡")]
    rendered: Option<String>,
    /// What would be sent.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    warnings: Vec<String>,
}

impl Intake {
    /// What would become of a message that was read.
    pub(super) async fn rehearse(
        &self,
        read: Result<Draft, Refusal>,
        key: Option<IdempotencyKey>,
        now: UnixMs,
    ) -> Result<DryRun, Problem> {
        let draft = match read {
            Ok(draft) => draft,
            Err(refusal) => {
                let (stored, warnings) = self.taken_before(refusal, key, None, now).await?;
                return Ok(DryRun::repeat(&stored, warnings));
            }
        };
        let mut rehearsed = self.seen(&draft);
        let used_up = self.used_up(&draft.content).await;
        let hold = self.held(&draft.content, now).await?;
        if let Some(stored) = self.known_by(key, draft, now).await? {
            (rehearsed.would, rehearsed.reason) = ("repeat", None);
            rehearsed.id = Some(stored.id.to_string());
            return Ok(rehearsed);
        }
        match hold {
            Some(Hold::End(reason)) => {
                (rehearsed.would, rehearsed.reason) = ("suppress", Some(reason.as_str()));
                return Ok(rehearsed);
            }
            Some(Hold::Until(_)) if rehearsed.would == "send" => {
                let reason = Reason::FrequencyLimited.as_str();
                (rehearsed.would, rehearsed.reason) = ("wait", Some(reason));
            }
            Some(Hold::Until(_)) | None => {}
        }
        rehearsed.warnings.extend(used_up);
        Ok(rehearsed)
    }

    /// What is recorded against its recipient, as far as that holds when the message would go.
    async fn held(&self, content: &Content, now: UnixMs) -> Result<Option<Hold>, Problem> {
        if content.overrides_suppression() {
            return Ok(None);
        }
        let (account, openid) = (&content.account, &content.touser);
        let known = self.recipients.recipient(account, openid).await?;
        let goes_at = content.send_at.map_or(now, |at| at.max(now));
        Ok(hold(&known.suppressions, &content.template_id, goes_at))
    }

    /// The message that one of its keys stands for.
    async fn known_by(
        &self,
        key: Option<IdempotencyKey>,
        draft: Draft,
        now: UnixMs,
    ) -> Result<Option<Stored>, Problem> {
        let dedupe = new_message(draft, now).dedupe;
        for (key, mismatch) in [
            (key, Problem::idempotency_mismatch as fn() -> Problem),
            (dedupe, dedupe_mismatch),
        ] {
            let Some(key) = key else { continue };
            match self.stored_by(key, None).await {
                Ok(stored) => match stored.first() {
                    Some(Ok(stored)) => return Ok(Some(*stored)),
                    Some(Err(DedupeMismatch)) => return Err(dedupe_mismatch()),
                    None => {}
                },
                Err(AcceptError::IdempotencyMismatch) => return Err(mismatch()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn seen(&self, draft: &Draft) -> DryRun {
        let content = &draft.content;
        let known = self.templates.known(&content.account);
        let template = match known.look_up(content.kind, &content.template_id) {
            Lookup::Known(template) => Some(template),
            _ => None,
        };
        let values = Values::read(&content.data).unwrap_or_default();
        let rendered = template
            .as_ref()
            .map(|template| render(template, &values, self.counting));
        let stopped = known.stops.contains_key(&content.template_id);
        DryRun {
            dry_run: true,
            would: if stopped { "wait" } else { "send" },
            reason: stopped.then(|| Reason::TemplateStopped.as_str()),
            id: None,
            account: Some(content.account.to_string()),
            template_id: Some(content.template_id.clone()),
            title: template.as_ref().map(|template| template.title.clone()),
            checked: template.is_some(),
            rendered,
            data: RawValue::from_string(content.data.clone()).ok(),
            warnings: draft.warnings.clone(),
        }
    }
}

impl DryRun {
    fn repeat(stored: &Stored, warnings: Vec<String>) -> Self {
        Self {
            dry_run: true,
            would: "repeat",
            reason: None,
            id: Some(stored.id.to_string()),
            account: None,
            template_id: None,
            title: None,
            checked: false,
            rendered: None,
            data: None,
            warnings,
        }
    }
}
