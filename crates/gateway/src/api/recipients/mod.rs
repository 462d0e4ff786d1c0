//! Recipients: what is known of one, who is suppressed, and a person's word on it.
//! It must not decide what a message to a recipient comes to.

pub mod change;
pub mod forget;
pub mod list;
pub mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::recipient::Recipients;
use hongyan_courier::recipient::forget::Forgetter;
use hongyan_courier::recipient::hearing::Hearing;
use hongyan_courier::time::Clock;
use http::Uri;

use crate::api::accounts::Accounts;
use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::api::query::Query;
use view::RecipientView;

/// Longer ones are no openids or template ids.
const ID_BYTES_MAX: usize = 64;

/// What the recipient calls are made of.
pub struct Contacts {
    pub accounts: Arc<Accounts>,
    pub recipients: Arc<dyn Recipients>,
    pub hearing: Hearing,
    pub forgetter: Arc<Forgetter>,
    pub clock: Arc<dyn Clock>,
}

/// An openid or a template id, as WeChat writes them.
fn check_id(name: &str, text: &str) -> Result<(), Problem> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && (1..=ID_BYTES_MAX).contains(&text.len()) {
        return Ok(());
    }
    Err(Problem::malformed(format!(
        "{name} must be 1 to {ID_BYTES_MAX} visible ASCII characters"
    )))
}

/// What is known of a recipient. Of one that nothing was heard of yet, the state is `unknown`.
#[utoipa::path(
    get, path = "/v1/recipients/{openid}", tag = "recipients",
    params(
        ("openid" = String, Path, description = "The recipient's openid"),
        ("account" = Option<String>, Query, description = "May be left out while there is only one"),
    ),
    responses(
        (status = 200, body = RecipientView),
        (status = 404, description = "There is no such account", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show(
    State(contacts): State<Arc<Contacts>>,
    PathPart(openid): PathPart,
    uri: Uri,
    signed: Signed,
) -> Result<Json<RecipientView>, Problem> {
    let mut query = Query::read(&uri)?;
    let name = query.text("account")?;
    query.nothing_else(&["account"])?;
    check_id("openid", &openid)?;
    let seen = contacts.accounts.seen_by(&signed.caller);
    let account = seen.named(name.as_deref())?;
    let known = contacts.recipients.recipient(account, &openid).await?;
    let now = contacts.clock.now();
    Ok(Json(
        RecipientView::of(account, openid, known, now).for_caller(&signed.caller),
    ))
}
