//! `POST /v1/recipients/{openid}/forget`: removes what is known of a user. Messages stay as records that name nobody.
//! It must not decide what becomes of a message.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Contacts, check_id};
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecipientForgotten)]
pub struct ForgottenView {
    account: String,
    /// What stands in the openid's place from now on
    #[schema(example = "forgotten-9f86d081884c7d65")]
    pseudonym: String,
    /// So many messages name nobody any more, nor what they said
    messages: usize,
    /// So many of them waited, and were cancelled
    cancelled: usize,
    /// So many rows of broadcasts will be no messages
    rows: usize,
    /// So many are being sent, may have been sent and are to be repeated, or wait for a receipt that names nobody else: they
    /// are forgotten as soon as they have ended
    under_way: usize,
}

/// Forgets a user: suppressions, credits and everything heard are deleted; messages lose openid, data, links and reference.
/// What waits is cancelled, rows of broadcasts become no messages. Messages sent to the openid afterwards are new data.
#[utoipa::path(
    post, path = "/v1/recipients/{openid}/forget", tag = "recipients",
    params(
        ("openid" = String, Path, description = "The recipient's openid"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    responses(
        (status = 200, body = ForgottenView),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn forget(
    State(contacts): State<Arc<Contacts>>,
    PathPart(openid): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<Json<ForgottenView>, Problem> {
    let mut query = Query::read(&uri)?;
    let name = query.text("account")?;
    query.nothing_else(&["account"])?;
    check_id("openid", &openid)?;
    let account = contacts.accounts.seen_by(&signed.caller);
    let account = account.named(name.as_deref())?.clone();
    signed.caller.require_every_template()?;
    signed.about(&account);
    let (whom, done) = contacts
        .forgetter
        .forget(account, openid, signed.nonce)
        .await?;
    tracing::info!(account = %whom.account, client = %signed.caller.client, pseudonym = whom.pseudonym, "a recipient was forgotten");
    Ok(Json(ForgottenView {
        account: whom.account.to_string(),
        pseudonym: whom.pseudonym,
        messages: done.messages,
        cancelled: done.cancelled.len(),
        rows: done.rows,
        under_way: done.under_way,
    }))
}
