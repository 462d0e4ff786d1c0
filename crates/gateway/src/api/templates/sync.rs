//! `POST /v1/templates/sync` and `POST /v1/templates/{id}/resume`: ask WeChat for the list now; let a template go on.
//! It must not decide what a list changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::template::book::Lists;
use hongyan_courier::template::catalogue::Happened;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::{SYNC_PATIENCE, StopView, Templates, UPSTREAM_PAUSE, not_synced};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;

/// What a fresh list changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Synced {
    account: String,
    /// When WeChat gave a list last.
    #[schema(value_type = Option<String>, format = DateTime)]
    synced_at: Option<Moment>,
    changes: Vec<ChangeView>,
    /// Templates of which nothing is sent from now on.
    stopped: Vec<StopView>,
    /// Templates whose messages go on.
    resumed: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TemplateChange)]
pub struct ChangeView {
    template_id: String,
    title: String,
    /// `added`, `edited`, `reworded` or `gone`
    #[schema(example = "edited")]
    change: &'static str,
}

/// A template that goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resumed {
    account: String,
    template_id: String,
}

/// Fetches an account's lists of templates now, those of template messages and of subscription messages.
#[utoipa::path(
    post, path = "/v1/templates/sync", tag = "templates",
    params(("account" = Option<String>, Query, description = "May be left out while there is only one")),
    responses(
        (status = 200, body = Synced),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat grants this account neither list", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "WeChat did not give a list; what is known of it stays", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn sync(
    State(templates): State<Arc<Templates>>,
    uri: Uri,
    mut signed: Signed,
) -> Result<Json<Synced>, Problem> {
    let account = &templates.account(&uri, &signed.caller)?.clone();
    templates.spend(&mut signed, account).await?;
    let syncing = tokio::time::timeout(SYNC_PATIENCE, templates.book.sync(account)).await;
    let update = syncing
        .map_err(|_| Problem::unavailable("WeChat does not answer", UPSTREAM_PAUSE))?
        .map_err(|error| not_synced(&error))?;
    let reach = &signed.caller.reach;
    let drifts = update
        .drifts
        .iter()
        .filter(|drift| reach.has_template(&drift.id));
    let changes = drifts.map(|drift| ChangeView {
        template_id: drift.id.clone(),
        title: drift.title.clone(),
        change: Happened::from(&drift.change).as_str(),
    });
    let stopped = update
        .stopped
        .iter()
        .filter(|stop| reach.has_template(&stop.template_id));
    let resumed = update.resumed.iter().filter(|id| reach.has_template(id));
    Ok(Json(Synced {
        account: account.to_string(),
        synced_at: templates.book.known(account).synced_at().map(Moment),
        changes: changes.collect(),
        stopped: stopped.map(StopView::from).collect(),
        resumed: resumed.cloned().collect(),
    }))
}

/// Lets a stopped template go on: its waiting messages are sent as they were written.
#[utoipa::path(
    post, path = "/v1/templates/{id}/resume", tag = "templates",
    params(
        ("id" = String, Path, description = "WeChat's template id"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    responses(
        (status = 200, body = Resumed),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not stopped", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(
    State(templates): State<Arc<Templates>>,
    PathPart(id): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<Json<Resumed>, Problem> {
    let account = &templates.account(&uri, &signed.caller)?.clone();
    signed.caller.require_template(&id)?;
    templates.spend(&mut signed, account).await?;
    if !templates.book.resume(account, &id).await? {
        return Err(Problem::conflict("the template is not stopped"));
    }
    Ok(Json(Resumed {
        account: account.to_string(),
        template_id: id,
    }))
}
