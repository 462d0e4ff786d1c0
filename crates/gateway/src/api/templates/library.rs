//! `POST /v1/templates` and `DELETE /v1/templates/{id}`: WeChat's library, from which an account takes its templates.
//! It must not keep what it adds: the next list does.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use hongyan_courier::message::AccountName;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;
use hongyan_wechat::industry::{Industries, IndustryCodes};
use hongyan_wechat::template::NewTemplate;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Templates;
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::{FieldProblem, Problem};
use crate::api::path::PathPart;
use crate::api::query::Query;

/// What WeChat lets operators change of an account's templates.
#[async_trait]
pub trait Library: Send + Sync {
    /// Adds a template. Answers its id.
    async fn add(
        &self,
        account: &AccountName,
        token: &AccessToken,
        new: NewTemplate<'_>,
    ) -> Result<String, CallError>;
    /// Deletes a template.
    async fn delete(
        &self,
        account: &AccountName,
        token: &AccessToken,
        template_id: &str,
    ) -> Result<(), CallError>;
    /// The account's industries.
    async fn industries(
        &self,
        account: &AccountName,
        token: &AccessToken,
    ) -> Result<Industries, CallError>;
    /// Sets the account's industries; the templates of the old ones are deleted.
    async fn set_industries(
        &self,
        account: &AccountName,
        token: &AccessToken,
        codes: IndustryCodes,
    ) -> Result<(), CallError>;
}

/// A template to be taken from WeChat's library.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Addition {
    /// May be left out while there is only one
    account: Option<String>,
    /// Its number in the library: digits, or as in `TM00015`
    #[schema(example = "43216")]
    template_id_short: String,
    /// The keywords that it is to have, in order, for a template of the category library
    keyword_name_list: Vec<String>,
}

/// A template of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Place {
    account: String,
    template_id: String,
}

/// Adds a template from WeChat's library to an account's own: 25 at most.
#[utoipa::path(
    post, path = "/v1/templates", tag = "templates",
    request_body = Addition,
    responses(
        (status = 201, description = "It is the account's", body = Place),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat refused; it says why", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`: there is no number", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn add(
    State(templates): State<Arc<Templates>>,
    uri: Uri,
    signed: Signed,
) -> Result<(StatusCode, Json<Place>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let new: Addition = body::optional(&signed.body)?;
    let account = templates.accounts.named(new.account.as_deref())?;
    if new.template_id_short.trim().is_empty() {
        let missing = FieldProblem::new("template_id_short", "is missing");
        return Err(Problem::invalid_message(vec![missing]));
    }
    templates.spend(signed.nonce).await?;
    let keywords: Vec<&str> = new.keyword_name_list.iter().map(String::as_str).collect();
    let wanted = NewTemplate {
        template_id_short: new.template_id_short.trim(),
        keyword_name_list: &keywords,
    };
    let library = &templates.library;
    let adding = templates.ask(account, async |token| {
        library.add(account, &token.secret, wanted).await
    });
    let template_id = adding.await?;
    templates.look_again(account).await;
    let place = Place {
        account: account.to_string(),
        template_id,
    };
    Ok((StatusCode::CREATED, Json(place)))
}

/// Deletes one of an account's templates. Messages of it that wait go on waiting, until they are cancelled or it is back.
#[utoipa::path(
    delete, path = "/v1/templates/{id}", tag = "templates",
    params(
        ("id" = String, Path, description = "WeChat's template id"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    responses(
        (status = 200, description = "It is gone", body = Place),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat refused; it says why", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(
    State(templates): State<Arc<Templates>>,
    PathPart(id): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<Place>, Problem> {
    let account = templates.account(&uri)?;
    templates.spend(signed.nonce).await?;
    let library = &templates.library;
    let deleting = templates.ask(account, async |token| {
        library.delete(account, &token.secret, &id).await
    });
    deleting.await?;
    templates.look_again(account).await;
    Ok(Json(Place {
        account: account.to_string(),
        template_id: id,
    }))
}
