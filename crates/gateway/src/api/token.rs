//! `GET /v1/accounts/{name}/token` and `POST …/token/refresh`: the account's central token.
//! It must not show a token to whoever lacks the scope, nor fetch one itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::Ledger;
use hongyan_courier::time::Clock;
use hongyan_courier::token::{Keeper, RefreshError};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::accounts::Accounts;
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::path::PathPart;
use crate::api::query::Query;
use crate::auth::scope::Scope;
use crate::condition::Conditions;

/// A fetch is a call or two to WeChat; whoever waits longer is told to look again. No other call takes so long.
pub const REFRESH_TIMEOUT: Duration = Duration::from_secs(60);
const REFRESH_PAUSE: Duration = Duration::from_secs(30);

/// What the token calls are made of.
pub struct Tokens {
    pub accounts: Arc<Accounts>,
    pub keeper: Arc<Keeper>,
    pub conditions: Arc<Conditions>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    account: String,
    /// Masked, unless `reveal=true` was asked for.
    access_token: String,
    /// Whether messages are sent with it.
    usable: bool,
    #[schema(value_type = String, format = DateTime)]
    fetched_at: Moment,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
    /// What is left of its life, in seconds.
    expires_in: u64,
    /// What is wrong with the account, where something is: a token may still serve while the next one is refused.
    detail: Option<String>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Kill the present token at once: for a leak. WeChat allows it 20 times a day, 30 s apart.
    #[serde(default)]
    force: bool,
}

impl Tokens {
    fn view(&self, account: &AccountName, reveal: bool) -> Result<TokenView, Problem> {
        let (condition, view) = self.conditions.of(account);
        let (token, usable) = match view.map(|view| (view.token, view.usable)) {
            Some((Some(token), usable)) => (token, usable),
            _ => {
                let why = condition
                    .detail
                    .unwrap_or_else(|| "the account has no token yet".to_owned());
                return Err(Problem::unavailable(why, REFRESH_PAUSE));
            }
        };
        let secret = token.secret.expose();
        Ok(TokenView {
            account: account.to_string(),
            access_token: if reveal {
                secret.to_owned()
            } else {
                masked(secret)
            },
            usable,
            fetched_at: Moment(token.fetched_at),
            expires_at: Moment(token.expires_at),
            expires_in: token.expires_at.since(self.clock.now()).as_secs(),
            detail: condition.detail,
        })
    }
}

impl Tokens {
    fn refused(&self, error: &RefreshError) -> Problem {
        let said = error.to_string();
        match error {
            RefreshError::TooOften { again_at } | RefreshError::TooSoon { again_at } => {
                Problem::rate_limited(said, again_at.since(self.clock.now()))
            }
            RefreshError::Failed(_) | RefreshError::Stopping => {
                Problem::unavailable(said, REFRESH_PAUSE)
            }
            RefreshError::NoSuchAccount => Problem::not_found(said),
        }
    }
}

/// Enough to tell two tokens apart: WeChat begins each with a number of its own.
fn masked(token: &str) -> String {
    const SHOWN_CHARS: usize = 6;
    let shown: String = token.chars().take(SHOWN_CHARS).collect();
    format!("{shown}…")
}

/// The account's present token.
#[utoipa::path(
    get, path = "/v1/accounts/{name}/token", tag = "accounts",
    params(
        ("name" = String, Path, description = "The account's name"),
        ("reveal" = Option<bool>, Query, description = "Show the token itself; needs the scope `token`"),
    ),
    responses(
        (status = 200, body = TokenView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "There is no token; it says why", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(tokens): State<Arc<Tokens>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<TokenView>, Problem> {
    let mut query = Query::read(&uri)?;
    let reveal = query.flag("reveal")?;
    query.nothing_else(&["reveal"])?;
    if reveal {
        signed.caller.require(Scope::Token)?;
    }
    let account = tokens.accounts.named(Some(&name))?;
    tokens.view(account, reveal).map(Json)
}

/// Fetches the account's token anew. Not forced, and within 10 s of a fetch, it answers the token that this one brought.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/token/refresh", tag = "accounts",
    params(("name" = String, Path, description = "The account's name")),
    request_body(content = Option<Refresh>, description = "May be left out"),
    responses(
        (status = 200, body = TokenView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`rate_limited`: forced within 30 s of the last time or more than 20 times a day, or within 10 s of a fetch in vain", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "WeChat gave no token; it says why", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn refresh(
    State(tokens): State<Arc<Tokens>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<TokenView>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let wish: Refresh = body::optional(&signed.body)?;
    let account = tokens.accounts.named(Some(&name))?;
    if let Some(nonce) = signed.nonce {
        tokens.ledger.spend(nonce, tokens.clock.now()).await?;
    }
    let fetching = tokens.keeper.refresh(account, wish.force);
    match tokio::time::timeout(REFRESH_TIMEOUT, fetching).await {
        Ok(Ok(())) => tokens.view(account, false).map(Json),
        Ok(Err(error)) => Err(tokens.refused(&error)),
        Err(_) => Err(Problem::unavailable(
            "WeChat does not answer",
            REFRESH_PAUSE,
        )),
    }
}
