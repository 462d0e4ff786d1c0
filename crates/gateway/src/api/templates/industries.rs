//! `GET` and `POST /v1/accounts/{name}/industries`: by which WeChat's old template library is divided.
//! It must not keep them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::message::AccountName;
use hongyan_wechat::industry::{Industries, Industry, IndustryCodes};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Templates;
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::{FieldProblem, Problem};
use crate::api::path::PathPart;
use crate::api::query::Query;

/// Codes on WeChat's page.
const CODES: std::ops::RangeInclusive<u8> = 1..=41;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Industries)]
pub struct IndustriesView {
    account: String,
    primary_industry: Option<IndustryView>,
    secondary_industry: Option<IndustryView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Industry)]
pub struct IndustryView {
    #[schema(example = "IT科技")]
    first_class: String,
    #[schema(example = "互联网|电子商务")]
    second_class: String,
}

impl From<Industry> for IndustryView {
    fn from(industry: Industry) -> Self {
        Self {
            first_class: industry.first_class,
            second_class: industry.second_class,
        }
    }
}

/// The industries that an account is to have, by their codes on WeChat's page.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewIndustries {
    #[schema(minimum = 1, maximum = 41, example = 1)]
    primary: u8,
    #[schema(minimum = 1, maximum = 41, example = 4)]
    secondary: u8,
}

impl Templates {
    async fn industries(&self, account: &AccountName) -> Result<Json<IndustriesView>, Problem> {
        let asking = self.ask(account, async |token| {
            self.library.industries(account, &token.secret).await
        });
        let Industries {
            primary_industry,
            secondary_industry,
        } = asking.await?;
        Ok(Json(IndustriesView {
            account: account.to_string(),
            primary_industry: primary_industry.map(IndustryView::from),
            secondary_industry: secondary_industry.map(IndustryView::from),
        }))
    }
}

/// The industries of an account; asked of WeChat each time.
#[utoipa::path(
    get, path = "/v1/accounts/{name}/industries", tag = "templates",
    params(("name" = String, Path, description = "The account's name")),
    responses(
        (status = 200, body = IndustriesView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat refused; it says why", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn industries(
    State(templates): State<Arc<Templates>>,
    PathPart(name): PathPart,
    uri: Uri,
    _signed: Signed,
) -> Result<Json<IndustriesView>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let account = templates.accounts.named(Some(&name))?;
    templates.industries(account).await
}

/// Sets the industries of an account: once a month at most, and WeChat then deletes the templates of the old ones.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/industries", tag = "templates",
    params(("name" = String, Path, description = "The account's name")),
    request_body = NewIndustries,
    responses(
        (status = 200, body = IndustriesView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat refused; it says why", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`: no such code", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn set_industries(
    State(templates): State<Arc<Templates>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<IndustriesView>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let NewIndustries { primary, secondary } = body::optional(&signed.body)?;
    let account = templates.accounts.named(Some(&name))?;
    let codes = [("primary", primary), ("secondary", secondary)];
    let wrong = codes.iter().filter(|(_, code)| !CODES.contains(code));
    let wrong: Vec<_> = wrong
        .map(|(name, _)| FieldProblem::new(*name, "must be a code from 1 to 41"))
        .collect();
    if !wrong.is_empty() {
        return Err(Problem::invalid_message(wrong));
    }
    templates.spend(signed.nonce).await?;
    let codes = IndustryCodes { primary, secondary };
    let library = &templates.library;
    let setting = templates.ask(account, async |token| {
        library.set_industries(account, &token.secret, codes).await
    });
    setting.await?;
    templates.look_again(account).await;
    templates.industries(account).await
}
