//! `GET /v1/templates/{id}`: one template with its keys and their rules, as its user would see it, and its history.
//! It must not ask WeChat.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::kind::{Kind, ListOf};
use hongyan_courier::template::catalogue::Entry;
use hongyan_courier::template::render::{render, sample};
use hongyan_courier::template::rules::{SHOWN_CHARS, rule_of};
use hongyan_courier::template::{Template, is_dropped};
use http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::list::TemplateView;
use super::{StopView, Templates};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;

/// The latest events that are shown of one template.
const HISTORY_MAX: usize = 50;

#[derive(Debug, Serialize, ToSchema)]
pub struct WholeTemplate {
    account: String,
    #[serde(flatten)]
    template: TemplateView,
    stop: Option<StopView>,
    /// What a message gives, in the order of the text.
    keys: Vec<KeyView>,
    /// What in the text was not understood.
    oddities: Vec<String>,
    /// What a user would see, with the sample's values in it.
    preview: String,
    /// `data` of a message whose values all fit.
    #[schema(value_type = Option<Object>)]
    sample: Option<Box<RawValue>>,
    /// What happened to it, newest first.
    history: Vec<EntryView>,
}

/// A key of a template.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateKey)]
pub struct KeyView {
    #[schema(example = "thing1")]
    key: String,
    /// Whether a message must give it; `first` and `remark` are dropped by WeChat.
    required: bool,
    /// What its value may be, where that is known.
    #[schema(example = "any text, at most 20 characters")]
    rule: Option<String>,
    /// The same in Chinese.
    rule_zh: Option<String>,
    /// The values that were approved for it, where there is such a list.
    choices: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateEvent)]
pub struct EntryView {
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
    /// `added`, `edited`, `reworded` or `gone`
    #[schema(example = "added")]
    change: &'static str,
    title: String,
    content: String,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            at: Moment(entry.at),
            change: entry.happened.as_str(),
            title: entry.title,
            content: entry.text,
        }
    }
}

/// By the rules of which kind a template's values are checked.
fn kind_of(list: ListOf) -> Kind {
    match list {
        ListOf::Templates => Kind::Template,
        ListOf::Subscriptions => Kind::Subscription,
    }
}

fn key((template, kind): (&Template, Kind), key: &str) -> KeyView {
    let required = !is_dropped(key);
    let old = || {
        (
            format!("any text; {SHOWN_CHARS} characters of its first line are shown"),
            format!("任意文字；只显示首行前 {SHOWN_CHARS} 个字符"),
        )
    };
    let rule = match rule_of(key) {
        Some(rule) => Some(rule.told(kind)),
        None => (required && template.is_old()).then(old),
    };
    let (rule, rule_zh) = rule.unzip();
    KeyView {
        key: key.to_owned(),
        required,
        rule,
        rule_zh,
        choices: template.choices.get(key).cloned().unwrap_or_default(),
    }
}

/// One template: its keys and their rules, how it looks with sample values, what happened to it.
#[utoipa::path(
    get, path = "/v1/templates/{id}", tag = "templates",
    params(
        ("id" = String, Path, description = "WeChat's template id"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    responses((status = 200, body = WholeTemplate), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub async fn show(
    State(templates): State<Arc<Templates>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<WholeTemplate>, Problem> {
    let account = templates.account(&uri, &signed.caller)?;
    signed.caller.require_template(&id)?;
    let port = &templates.templates;
    let catalogue = port.catalogue(account).await?;
    let kept = catalogue
        .templates
        .get(&id)
        .ok_or_else(|| Problem::not_found("no list of this account ever had such a template"))?;
    let history = port.history(account, &id, HISTORY_MAX).await?;
    let (template, kind) = (&kept.listed.template, kind_of(kept.listed.list));
    let values = sample(template);
    let oddities = template.oddities().iter();
    Ok(Json(WholeTemplate {
        account: account.to_string(),
        template: TemplateView::of(kept, &catalogue),
        stop: catalogue.stops.get(&id).map(StopView::from),
        keys: template
            .keys()
            .iter()
            .map(|name| key((template, kind), name))
            .collect(),
        oddities: oddities.map(ToString::to_string).collect(),
        preview: render(template, &values, templates.counting),
        sample: RawValue::from_string(values.to_json()).ok(),
        history: history.into_iter().map(EntryView::from).collect(),
    }))
}
