//! `GET,POST /wechat/callback/{account}`: what WeChat pushes, checked as the account's mode demands, kept, then answered.
//! It must not tell a stranger which check failed, and believes only what a signature binds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use hongyan_courier::delivery::{Policy, ReceiptWord};
use hongyan_courier::message::AccountName;
use hongyan_courier::next::Roll;
use hongyan_courier::port::{AcceptError, Ledger, NewReceipt, Nonce};
use hongyan_courier::receipt::Receipts;
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_wechat::callback::event::{Event, Receipt, ReceiptStatus};
use hongyan_wechat::callback::open::open;
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, MAX_BODY, Mode, signature};
use http::Uri;
use http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use crate::api::door::read_body;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::clock::SystemClock;

/// The farthest a push's timestamp may be from our time.
const WINDOW: Duration = Duration::from_secs(300);

/// One account's side of the callback.
#[derive(Debug)]
pub struct CallbackAccount {
    pub name: AccountName,
    pub mode: Mode,
    pub secrets: CallbackSecrets,
    /// None where receipts are not wanted: pushes are acknowledged and ignored.
    pub receipts: Option<Policy>,
}

/// Where WeChat's pushes come in.
pub struct Callbacks {
    pub accounts: HashMap<String, CallbackAccount>,
    pub receipts: Receipts,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<SystemClock>,
}

/// WeChat checks the address.
#[utoipa::path(
    get, path = "/wechat/callback/{account}", tag = "wechat",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("signature" = Option<String>, Query), ("timestamp" = Option<String>, Query),
        ("nonce" = Option<String>, Query), ("echostr" = Option<String>, Query),
    ),
    responses((status = 200, description = "`echostr`, verbatim", body = String, content_type = "text/plain"))
)]
pub async fn check(
    State(callbacks): State<Arc<Callbacks>>,
    PathPart(name): PathPart,
    uri: Uri,
) -> Result<impl IntoResponse, Problem> {
    let (account, query) = callbacks.account(&name, &uri)?;
    callbacks.in_window(account, &query)?;
    let echo = signature::echo(&account.secrets.tokens, &query)
        .map_err(|error| refused(account, &error))?;
    Ok((
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        echo.to_owned(),
    ))
}

/// WeChat pushes an event. It is kept before it is answered.
#[utoipa::path(
    post, path = "/wechat/callback/{account}", tag = "wechat",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("signature" = Option<String>, Query), ("timestamp" = Option<String>, Query),
        ("nonce" = Option<String>, Query), ("encrypt_type" = Option<String>, Query),
        ("msg_signature" = Option<String>, Query),
    ),
    request_body(content = String, content_type = "text/xml"),
    responses((status = 200, description = "`success`", body = String, content_type = "text/plain"))
)]
pub async fn push(
    State(callbacks): State<Arc<Callbacks>>,
    PathPart(name): PathPart,
    uri: Uri,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let (account, query) = callbacks.account(&name, &uri)?;
    callbacks.in_window(account, &query)?;
    let body = read_body(body, MAX_BODY).await?;
    let opened = open(account.mode, &account.secrets, &query, &body)
        .map_err(|error| refused(account, &error))?;
    let nonce = (account.mode == Mode::Plain).then(|| callbacks.nonce(account, &query, &body));
    let kept = match (&account.receipts, opened.event) {
        (Some(policy), Event::TemplateSendJobFinish(receipt)) => {
            callbacks.receive(account, *policy, receipt, nonce).await
        }
        // Whatever else it says has no effect; its address must not serve for another body all the same.
        (Some(_), _) => match nonce {
            Some(nonce) => callbacks.ledger.spend(nonce, callbacks.now()).await,
            None => Ok(()),
        },
        (None, _) => Ok(()),
    };
    match kept {
        Ok(()) => Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], "success")),
        Err(AcceptError::Store(error)) => Err(error.into()),
        Err(error) => Err(refused(account, &error)),
    }
}

impl Callbacks {
    fn account(&self, name: &str, uri: &Uri) -> Result<(&CallbackAccount, CallbackQuery), Problem> {
        let account = self.accounts.get(name).ok_or_else(forbidden)?;
        let query = Query::try_from_uri(uri).map_err(|error| refused(account, &error))?;
        Ok((account, query.0))
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }

    fn in_window(&self, account: &CallbackAccount, query: &CallbackQuery) -> Result<(), Problem> {
        let moment = timestamp(query).map(|seconds| seconds.saturating_mul(1000));
        let wall = self.clock.wall();
        let near = moment.is_some_and(|at| at.abs_diff(wall.0) <= WINDOW.as_millis() as u64);
        if near {
            return Ok(());
        }
        tracing::warn!(account = %account.name, "a push was refused: its timestamp is more than 300 s off");
        Err(forbidden())
    }

    /// A plain signature does not bind the body: the address is spent with the body that came first.
    fn nonce(&self, account: &CallbackAccount, query: &CallbackQuery, body: &[u8]) -> Nonce {
        let part = |value: &Option<String>| value.clone().unwrap_or_default();
        let (at, nonce, signature) = (
            part(&query.timestamp),
            part(&query.nonce),
            part(&query.signature),
        );
        let seconds = timestamp(query).unwrap_or_default();
        Nonce {
            owner: format!("callback:{}", account.name),
            nonce: format!("{at}\n{nonce}\n{signature}"),
            expires_at: UnixMs(seconds.saturating_mul(1000)).plus(WINDOW),
            body: Some(Sha256::digest(body).into()),
        }
    }

    async fn receive(
        &self,
        account: &CallbackAccount,
        policy: Policy,
        receipt: Receipt,
        nonce: Option<Nonce>,
    ) -> Result<(), AcceptError> {
        let receipt = NewReceipt {
            account: account.name.clone(),
            msgid: receipt.msgid,
            openid: receipt.openid,
            word: ReceiptWord::from(&receipt.status),
            status: said(&receipt.status),
            create_time: receipt.create_time,
            policy,
            roll: Roll::draw(),
        };
        self.receipts.receive(receipt, nonce).await.map(|_| ())
    }
}

fn timestamp(query: &CallbackQuery) -> Option<i64> {
    query.timestamp.as_deref()?.parse().ok()
}

/// The status in WeChat's words.
fn said(status: &ReceiptStatus) -> String {
    match status {
        ReceiptStatus::Success => "success",
        ReceiptStatus::UserBlock => "failed:user block",
        ReceiptStatus::SystemFailed => "failed: system failed",
        ReceiptStatus::FreqLimit => "failed:freq limit",
        ReceiptStatus::Other(raw) => raw,
    }
    .to_owned()
}

fn refused(account: &CallbackAccount, error: &impl std::error::Error) -> Problem {
    tracing::warn!(account = %account.name, %error, "a push was refused");
    forbidden()
}

fn forbidden() -> Problem {
    Problem::forbidden("this call is not WeChat's")
}
