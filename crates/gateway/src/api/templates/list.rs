//! `GET /v1/templates`: the templates of an account, as they were listed last.
//! It must not ask WeChat.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::kind::ListOf;
use hongyan_courier::template::Lasts;
use hongyan_courier::template::book::{Known, Lists};
use hongyan_courier::template::catalogue::{Catalogue, Kept};
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::{StopView, Templates};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::query::Query;

#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateList {
    account: String,
    /// When WeChat gave a list last; none if it never did.
    #[schema(value_type = Option<String>, format = DateTime)]
    synced_at: Option<Moment>,
    /// Each of the two lists.
    lists: Vec<ListView>,
    templates: Vec<TemplateView>,
    /// Templates of which nothing is sent, those among them that no list has.
    stopped: Vec<StopView>,
}

/// One of the lists that WeChat keeps of an account's templates.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateListState)]
pub struct ListView {
    /// `template` (of template messages) or `subscription` (of subscription messages, also a mini-program's)
    #[schema(example = "template")]
    list: &'static str,
    /// When WeChat gave it last; none if it never did: then messages of its kinds go unchecked.
    #[schema(value_type = Option<String>, format = DateTime)]
    synced_at: Option<Moment>,
    /// Why the last attempt failed, if it did. An account need not have both.
    error: Option<String>,
}

impl ListView {
    fn of(list: ListOf, known: &Known) -> Self {
        let state = known.list(list);
        Self {
            list: list.as_str(),
            synced_at: state.and_then(|state| state.synced_at).map(Moment),
            error: state.and_then(|state| state.failure.clone()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub struct TemplateView {
    template_id: String,
    /// `template` or `subscription`: of which kinds of messages
    #[schema(example = "template")]
    list: &'static str,
    /// Of a subscription template, for how many messages a user agrees: `one_time` or `long_term`, where WeChat says so
    #[schema(example = "one_time")]
    lasts: Option<&'static str>,
    title: String,
    /// Its text, with `{{key.DATA}}` where values go.
    content: String,
    example: String,
    primary_industry: String,
    deputy_industry: String,
    /// `ok`, `stopped` or `gone`
    #[schema(example = "ok")]
    state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Moment,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Moment,
    /// Since when lists do not have it.
    #[schema(value_type = Option<String>, format = DateTime)]
    gone_at: Option<Moment>,
}

impl TemplateView {
    pub(super) fn of(kept: &Kept, catalogue: &Catalogue) -> Self {
        let listed = &kept.listed;
        let id = &listed.template.id;
        Self {
            template_id: id.clone(),
            list: listed.list.as_str(),
            lasts: listed.template.lasts.map(Lasts::as_str),
            title: listed.template.title.clone(),
            content: listed.template.text().to_owned(),
            example: listed.example.clone(),
            primary_industry: listed.primary_industry.clone(),
            deputy_industry: listed.deputy_industry.clone(),
            state: match kept.gone_at {
                Some(_) => "gone",
                None if catalogue.stops.contains_key(id) => "stopped",
                None => "ok",
            },
            first_seen: Moment(kept.first_seen),
            last_seen: Moment(kept.last_seen),
            gone_at: kept.gone_at.map(Moment),
        }
    }
}

/// The templates of an account, as WeChat listed them last; `POST /v1/templates/sync` asks it now.
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates",
    params(
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
        ("gone" = Option<bool>, Query, description = "Also those that the account had once"),
    ),
    responses((status = 200, body = TemplateList), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub async fn list(
    State(templates): State<Arc<Templates>>,
    uri: Uri,
    signed: Signed,
) -> Result<Json<TemplateList>, Problem> {
    let mut query = Query::read(&uri)?;
    let name = query.text("account")?;
    let gone = query.flag("gone")?;
    query.nothing_else(&["account", "gone"])?;
    let account = templates
        .accounts
        .seen_by(&signed.caller)
        .named(name.as_deref())?;
    let catalogue = templates.templates.catalogue(account).await?;
    // By what messages are checked: it comes a moment after what is stored.
    let known = templates.book.known(account);
    let reach = &signed.caller.reach;
    let kept = catalogue
        .templates
        .iter()
        .filter(|(id, _)| reach.has_template(id));
    let wanted = kept.filter(|(_, kept)| gone || kept.gone_at.is_none());
    let stopped = catalogue
        .stops
        .values()
        .filter(|stop| reach.has_template(&stop.template_id));
    Ok(Json(TemplateList {
        account: account.to_string(),
        synced_at: known.synced_at().map(Moment),
        lists: ListOf::ALL
            .iter()
            .map(|list| ListView::of(*list, &known))
            .collect(),
        templates: wanted
            .map(|(_, kept)| TemplateView::of(kept, &catalogue))
            .collect(),
        stopped: stopped.map(StopView::from).collect(),
    }))
}
