//! `POST /v1/accounts/{name}/receipts`: events that another program received from WeChat and passes on.
//! It must not believe who is not signed in; WeChat's own signature is that other program's to check.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::receipt::ReceiptTaken;
use hongyan_wechat::callback::open::read_passed_on;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::callback::Callbacks;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventTaken {
    /// The event's name.
    #[schema(example = "TEMPLATESENDJOBFINISH")]
    pub event: String,
    /// One for each message that it tells of.
    pub receipts: Vec<ReceiptOutcome>,
}

/// What became of one receipt.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptOutcome {
    /// `joined` with a message, `kept` until its message is known, or `known` from before.
    #[schema(example = "joined")]
    pub result: &'static str,
    pub message: Option<String>,
    /// Where the message stands now.
    #[schema(example = "delivered")]
    pub status: Option<&'static str>,
}

impl From<ReceiptTaken> for ReceiptOutcome {
    fn from(taken: ReceiptTaken) -> Self {
        let bare = |result| Self {
            result,
            message: None,
            status: None,
        };
        match taken {
            ReceiptTaken::Joined(id, status) => Self {
                result: "joined",
                message: Some(id.to_string()),
                status: Some(status.as_str()),
            },
            ReceiptTaken::Orphan => bare("kept"),
            ReceiptTaken::Known => bare("known"),
        }
    }
}

/// An event as WeChat sent it, XML or JSON, encrypted or plain; for accounts with `receipts = "forwarded"`.
#[utoipa::path(
    post, path = "/v1/accounts/{name}/receipts", tag = "accounts",
    params(("name" = String, Path, description = "The account's name")),
    request_body(content = String, content_type = "text/xml"),
    responses(
        (status = 200, description = "Kept", body = EventTaken),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: the account's receipts are not forwarded", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn take(
    State(callbacks): State<Arc<Callbacks>>,
    PathPart(name): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<EventTaken>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    signed.caller.require_account(&name)?;
    if !callbacks.known.contains(&name) {
        return Err(Problem::not_found("there is no such account"));
    }
    let account = callbacks.accounts.get(&name).filter(|one| one.forwarded);
    let account = account.ok_or_else(|| {
        Problem::conflict("the account has not receipts = \"forwarded\", so none are taken here")
    })?;
    let opened = read_passed_on(&account.secrets, &signed.body)
        .map_err(|error| Problem::malformed(format!("this is no event of WeChat's: {error}")))?;
    let taken = callbacks.keep(account, &opened.event, signed.nonce).await?;
    Ok(Json(EventTaken {
        event: opened.event.name().to_owned(),
        receipts: taken.into_iter().map(ReceiptOutcome::from).collect(),
    }))
}
