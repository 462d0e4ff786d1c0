//! `GET /v1/templates`: the templates of an account, as WeChat lists them at this moment.
//! It must not keep them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures::future::BoxFuture;
use hongyan_courier::message::AccountName;
use hongyan_courier::token::Keeper;
use hongyan_wechat::AccessToken;
use hongyan_wechat::errcode::Class;
use hongyan_wechat::error::CallError;
use hongyan_wechat::template::Template;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::query::Query;

const UPSTREAM_PAUSE: Duration = Duration::from_secs(5);

/// Asks WeChat for an account's templates.
pub type AskTemplates = Arc<
    dyn Fn(AccountName, AccessToken) -> BoxFuture<'static, Result<Vec<Template>, CallError>>
        + Send
        + Sync,
>;

/// What the template calls are made of.
pub struct Templates {
    pub accounts: Arc<Accounts>,
    pub keeper: Arc<Keeper>,
    pub ask: AskTemplates,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateList {
    account: String,
    templates: Vec<TemplateView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub struct TemplateView {
    template_id: String,
    title: String,
    /// Its text, with `{{key.DATA}}` where values go.
    content: String,
    example: String,
    primary_industry: String,
    deputy_industry: String,
}

impl From<Template> for TemplateView {
    fn from(template: Template) -> Self {
        Self {
            template_id: template.template_id,
            title: template.title,
            content: template.content,
            example: template.example,
            primary_industry: template.primary_industry,
            deputy_industry: template.deputy_industry,
        }
    }
}

impl Templates {
    async fn list(&self, account: &AccountName) -> Result<Vec<Template>, Problem> {
        let token = self.keeper.current(account).map_err(|_| {
            Problem::unavailable("the account has no usable token at present", UPSTREAM_PAUSE)
        })?;
        let error = match (self.ask)(account.clone(), token.secret.clone()).await {
            Ok(templates) => {
                self.keeper.accepted(account, &token);
                return Ok(templates);
            }
            Err(error) => error,
        };
        if let CallError::Refused(refusal) = &error
            && refusal.class() == Class::Token
        {
            self.keeper.rejected(account, &token);
        }
        Err(Problem::unavailable(
            format!("WeChat did not list the templates: {error}"),
            UPSTREAM_PAUSE,
        ))
    }
}

/// The templates of an account; asked of WeChat each time.
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates",
    params(("account" = Option<String>, Query, description = "May be left out while there is only one")),
    responses((status = 200, body = TemplateList), (status = 404, body = Problem, content_type = "application/problem+json"))
)]
pub async fn list(
    State(templates): State<Arc<Templates>>,
    uri: Uri,
    _signed: Signed,
) -> Result<Json<TemplateList>, Problem> {
    let mut query = Query::read(&uri)?;
    let name = query.text("account")?;
    query.nothing_else(&["account"])?;
    let accounts = &templates.accounts;
    let account = match &name {
        Some(name) => accounts.find(name).ok_or_else(|| {
            Problem::not_found(format!("there is no such account; known: {accounts}"))
        })?,
        None => accounts
            .sole()
            .ok_or_else(|| Problem::malformed(format!("which account? known: {accounts}")))?,
    };
    let list = templates.list(account).await?;
    Ok(Json(TemplateList {
        account: account.to_string(),
        templates: list.into_iter().map(TemplateView::from).collect(),
    }))
}
