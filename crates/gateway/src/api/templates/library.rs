//! `POST /v1/templates` and `DELETE /v1/templates/{id}`: WeChat's libraries, from which an account takes its templates.
//! It must not keep what it adds: the next list does.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use hongyan_courier::kind::{Kind, ListOf};
use hongyan_courier::message::AccountName;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;
use hongyan_wechat::industry::{Industries, IndustryCodes};
use hongyan_wechat::subscription::NewSubscriptionTemplate;
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

/// A template that is to be added, out of the library of its list.
#[derive(Clone, Copy, Debug)]
pub enum New<'a> {
    Template(NewTemplate<'a>),
    Subscription(NewSubscriptionTemplate<'a>),
}

/// What WeChat lets operators change of an account's templates.
#[async_trait]
pub trait Library: Send + Sync {
    /// Adds a template. Answers its id.
    async fn add(
        &self,
        account: &AccountName,
        token: &AccessToken,
        new: New<'_>,
    ) -> Result<String, CallError>;
    /// Deletes a template of a list.
    async fn delete(
        &self,
        account: &AccountName,
        token: &AccessToken,
        (of, template_id): (ListOf, &str),
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
    /// Of which kind of messages: `template` (the default), `subscription` or `miniprogram_subscription`
    #[schema(example = "template")]
    kind: Option<String>,
    /// Its number in the library of template messages: digits, or as in `TM00015`
    #[schema(example = "43216")]
    template_id_short: String,
    /// The keywords that it is to have, in order, for a template of the category library
    keyword_name_list: Vec<String>,
    /// For subscription messages: the number of its title in their library
    tid: String,
    /// For subscription messages: the numbers of the keywords that it is to have, in order; two to five
    kid_list: Vec<u32>,
    /// For subscription messages: what it is for, in at most 15 characters
    scene_desc: Option<String>,
}

impl Addition {
    /// What WeChat is to be told. What belongs to the other library is a mistake.
    fn wanted<'a>(&'a self, keywords: &'a [&'a str]) -> Result<New<'a>, Vec<FieldProblem>> {
        let named = [
            (
                "template_id_short",
                !self.template_id_short.trim().is_empty(),
            ),
            ("keyword_name_list", !self.keyword_name_list.is_empty()),
            ("tid", !self.tid.trim().is_empty()),
            ("kid_list", !self.kid_list.is_empty()),
            ("scene_desc", self.scene_desc.is_some()),
        ];
        let (of_templates, of_subscriptions) = named.split_at(2);
        let of = list_of(self.kind.as_deref()).map_err(|problem| vec![problem])?;
        let (own, foreign) = match of {
            ListOf::Templates => (of_templates, of_subscriptions),
            ListOf::Subscriptions => (of_subscriptions, of_templates),
        };
        let missing = own.iter().take(1).filter(|(_, given)| !given);
        let missing = missing.map(|(field, _)| FieldProblem::new(*field, "is missing"));
        let misplaced = foreign.iter().filter(|(_, given)| *given);
        let misplaced = misplaced.map(|(field, _)| {
            FieldProblem::new(*field, format!("is not for a template of the {of} list"))
        });
        let problems: Vec<FieldProblem> = missing.chain(misplaced).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(match of {
            ListOf::Templates => New::Template(NewTemplate {
                template_id_short: self.template_id_short.trim(),
                keyword_name_list: keywords,
            }),
            ListOf::Subscriptions => New::Subscription(NewSubscriptionTemplate {
                tid: self.tid.trim(),
                keywords: &self.kid_list,
                scene: self.scene_desc.as_deref(),
            }),
        })
    }
}

/// In which list a kind's templates are; that of template messages, if no kind is named.
fn list_of(kind: Option<&str>) -> Result<ListOf, FieldProblem> {
    let Some(word) = kind else {
        return Ok(ListOf::Templates);
    };
    let kind = Kind::from_word(word);
    kind.and_then(|kind| kind.traits().list).ok_or_else(|| {
        let problem = "must be template, subscription or miniprogram_subscription";
        FieldProblem::new("kind", problem)
    })
}

/// A template of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Place {
    account: String,
    template_id: String,
    /// `template` or `subscription`
    list: &'static str,
}

/// Adds a template from one of WeChat's libraries to an account's own: 25 at most.
#[utoipa::path(
    post, path = "/v1/templates", tag = "templates",
    request_body = Addition,
    responses(
        (status = 201, description = "It is the account's", body = Place),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "WeChat refused; it says why", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_message`: there is no number, or a field of the other library", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn add(
    State(templates): State<Arc<Templates>>,
    uri: Uri,
    mut signed: Signed,
) -> Result<(StatusCode, Json<Place>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let new: Addition = body::optional(&signed.body)?;
    let seen = templates.accounts.seen_by(&signed.caller);
    let account = &seen.named(new.account.as_deref())?.clone();
    signed.caller.require_every_template()?;
    let keywords: Vec<&str> = new.keyword_name_list.iter().map(String::as_str).collect();
    let wanted = new.wanted(&keywords).map_err(Problem::invalid_message)?;
    templates.spend(&mut signed, account).await?;
    let library = &templates.library;
    let adding = templates.ask(account, async |token| {
        library.add(account, &token.secret, wanted).await
    });
    let template_id = adding.await?;
    templates.look_again(account).await;
    let place = Place {
        account: account.to_string(),
        template_id,
        list: match wanted {
            New::Template(_) => ListOf::Templates.as_str(),
            New::Subscription(_) => ListOf::Subscriptions.as_str(),
        },
    };
    Ok((StatusCode::CREATED, Json(place)))
}

/// Deletes one of an account's templates. Messages of it that wait go on waiting, until they are cancelled or it is back.
#[utoipa::path(
    delete, path = "/v1/templates/{id}", tag = "templates",
    params(
        ("id" = String, Path, description = "WeChat's template id"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
        ("kind" = Option<String>, Query, description = "Of which kind of messages, if no list that is known has it: `template` (the default), `subscription` or `miniprogram_subscription`"),
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
    mut signed: Signed,
) -> Result<Json<Place>, Problem> {
    let mut query = Query::read(&uri)?;
    let (name, kind) = (query.text("account")?, query.text("kind")?);
    query.nothing_else(&["account", "kind"])?;
    let seen = templates.accounts.seen_by(&signed.caller);
    let account = &seen.named(name.as_deref())?.clone();
    signed.caller.require_template(&id)?;
    let of = list_of(kind.as_deref())
        .map_err(|wrong| Problem::malformed(format!("{} {}", wrong.field, wrong.problem)))?;
    let catalogue = templates.templates.catalogue(account).await?;
    let known = catalogue.templates.get(&id);
    let of = known.map_or(of, |kept| kept.listed.list);
    templates.spend(&mut signed, account).await?;
    let library = &templates.library;
    let deleting = templates.ask(account, async |token| {
        library.delete(account, &token.secret, (of, &id)).await
    });
    deleting.await?;
    templates.look_again(account).await;
    Ok(Json(Place {
        account: account.to_string(),
        template_id: id,
        list: of.as_str(),
    }))
}
