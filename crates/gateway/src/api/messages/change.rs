//! `POST /v1/messages/{id}/cancel` and `…/retry`.
//! It must not decide whether a message allows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::change::Changes;
use hongyan_courier::delivery::Cancelled;
use hongyan_courier::message::MessageId;
use http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::ToSchema;

use super::show::{MessageView, message_id, reached};
use crate::api::body;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;

/// Cancels a message that has not been sent.
#[utoipa::path(
    post, path = "/v1/messages/{id}/cancel", tag = "messages",
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 200, description = "It has ended; its status says how", body = MessageView),
        (status = 202, description = "A call to WeChat is under way: its outcome wins, and if the message would wait again it ends", body = MessageView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was sent or had ended", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel(
    State(changes): State<Arc<Changes>>,
    PathPart(id): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let id = of_caller(&changes, &id, &mut signed).await?;
    let (cancelled, message) = changes.cancel(id, signed.nonce).await?;
    let status = match cancelled {
        Cancelled::Ended => StatusCode::OK,
        Cancelled::Asked => StatusCode::ACCEPTED,
    };
    Ok((status, Json(MessageView::from(&message))))
}

/// How a message is to be sent again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Also an unconfirmed message, which the user may have already.
    #[serde(default)]
    force: bool,
}

/// Sends a message again that has failed, expired or been cancelled or suppressed; with `force` also an unconfirmed one.
/// One of a broadcast that is paused waits for it: it has no `next_attempt_at`.
#[utoipa::path(
    post, path = "/v1/messages/{id}/retry", tag = "messages",
    params(("id" = String, Path, description = "The message's id")),
    request_body(content = Option<Retry>, description = "May be left out"),
    responses(
        (status = 202, description = "It is queued again", body = MessageView),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Its status does not allow it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn retry(
    State(changes): State<Arc<Changes>>,
    PathPart(id): PathPart,
    uri: Uri,
    mut signed: Signed,
) -> Result<(StatusCode, Json<MessageView>), Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let wish: Retry = body::optional(&signed.body)?;
    let id = of_caller(&changes, &id, &mut signed).await?;
    let message = changes.retry(id, wish.force, signed.nonce).await?;
    Ok((StatusCode::ACCEPTED, Json(MessageView::from(&message))))
}

/// The id of a message that the caller reaches. What a message is of never changes, so it may be looked at beforehand.
async fn of_caller(changes: &Changes, id: &str, signed: &mut Signed) -> Result<MessageId, Problem> {
    let id = message_id(id)?;
    let message = reached(&*changes.ledger, id, &signed.caller).await?;
    signed.about(&message.content.account);
    Ok(id)
}
