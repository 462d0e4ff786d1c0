//! `POST /v1/clients/{id}/tokens/revoke`: an operator's word that a client's virtual tokens are no good any more.
//! It must not know any secret of a client.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::compat::tokens::Tokens;

/// What the calls about clients are made of.
pub struct ClientTokens {
    /// The ids of all clients.
    pub clients: Vec<String>,
    pub accounts: Arc<Accounts>,
    pub tokens: Arc<Tokens>,
}

/// Which tokens.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Revoke {
    /// Those for this account alone; all where it is left out
    account: Option<String>,
}

/// Whose tokens were revoked.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensRevoked {
    client: String,
    /// For these accounts
    accounts: Vec<String>,
}

/// Revokes the virtual tokens that a client has from `/cgi-bin/token` or `/cgi-bin/stable_token`. It can fetch new ones:
/// to keep it out, take its secret or the client itself out of the configuration.
#[utoipa::path(
    post, path = "/v1/clients/{id}/tokens/revoke", tag = "clients",
    params(("id" = String, Path, description = "The client's id")),
    request_body(content = Option<Revoke>, description = "May be left out"),
    responses(
        (status = 200, body = TokensRevoked),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn revoke(
    State(cases): State<Arc<ClientTokens>>,
    PathPart(id): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<Json<TokensRevoked>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let wish: Revoke = body::optional(&signed.body)?;
    let caller = signed.caller.clone();
    let seen = cases.accounts.seen_by(&caller);
    let accounts = match wish.account {
        Some(name) => {
            let account = seen.named(Some(&name))?.clone();
            signed.about(&account);
            vec![account]
        }
        None => seen.iter().map(|known| known.name.clone()).collect(),
    };
    if !cases.clients.contains(&id) {
        return Err(Problem::not_found("there is no such client"));
    }
    let names = accounts.iter().map(ToString::to_string).collect();
    cases.tokens.revoke(&id, accounts, signed.nonce).await?;
    tracing::info!(client = id, by = %caller.client, "virtual tokens were revoked");
    Ok(Json(TokensRevoked {
        client: id,
        accounts: names,
    }))
}
