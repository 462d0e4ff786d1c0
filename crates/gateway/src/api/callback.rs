//! `GET,POST /wechat/callback/{account}`: what WeChat pushes, checked as the account's mode demands, kept, then answered.
//! It must not tell a stranger which check failed, and believes only what a signature binds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use hongyan_courier::delivery::Policy;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Ledger, Nonce, StoreError};
use hongyan_courier::receipt::Receipts;
use hongyan_courier::recipient::hearing::Hearing;
use hongyan_courier::time::{Clock, UnixMs};
use hongyan_store::spool::Spool;
use hongyan_wechat::callback::envelope;
use hongyan_wechat::callback::open::{Opened, open};
use hongyan_wechat::callback::seal::{Seal, Signer, seal_reply};
use hongyan_wechat::callback::{CallbackQuery, CallbackSecrets, Format, MAX_BODY, Mode, signature};
use http::Uri;
use http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::api::door::read_body;
use crate::api::error::Problem;
use crate::api::path::PathPart;
use crate::clock::{SystemClock, remember_until};
use crate::hub::{Consumer, Hub, Reply};

pub use addresses::Addresses;
pub use asking::Asking;
use intake::{Kept, owner};
use refusals::Refusals;

mod addresses;
mod asking;
mod intake;
mod people;
mod refusals;
mod told;

/// A consumer's reply must be on its way to WeChat so long after the push came: WeChat waits five seconds.
const REPLY_WITHIN: Duration = Duration::from_millis(4_500);

/// The farthest a push's timestamp may be from our time.
const WINDOW: Duration = Duration::from_secs(300);

/// One account's side of the callback.
pub struct CallbackAccount {
    pub name: AccountName,
    pub mode: Mode,
    pub secrets: CallbackSecrets,
    /// None where receipts are not wanted: what is told of messages is acknowledged and not kept.
    pub receipts: Option<Policy>,
    /// Another program receives the pushes and passes them on by the API.
    pub forwarded: bool,
    /// Who else is told of what comes in.
    pub hub: Hub,
}

/// What a push is checked by and kept in.
pub struct Callbacks {
    /// Those that something can come in for.
    pub accounts: HashMap<String, CallbackAccount>,
    /// The names of all that are configured.
    pub known: HashSet<String>,
    /// Where events wait while the store is slow or away.
    pub spool: Spool,
    /// Under which addresses they were put there.
    pub spooled: Arc<Addresses>,
    /// Who was asked for a reply to one of them.
    pub asking: Arc<Asking>,
    pub receipts: Receipts,
    pub hearing: Hearing,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<SystemClock>,
}

/// Where WeChat's pushes come in, and whatever strangers push.
pub struct Entrance {
    callbacks: Arc<Callbacks>,
    refusals: HashMap<AccountName, Refusals>,
}

impl Entrance {
    pub fn new(callbacks: Arc<Callbacks>) -> Self {
        let names = callbacks.accounts.values().map(|of| of.name.clone());
        let refusals = names.map(|name| (name, Refusals::default())).collect();
        Self {
            callbacks,
            refusals,
        }
    }
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
    State(entrance): State<Arc<Entrance>>,
    PathPart(name): PathPart,
    uri: Uri,
) -> Result<impl IntoResponse, Problem> {
    let (account, query) = entrance.account(&name, &uri)?;
    entrance.in_window(account, &query)?;
    let echo = signature::echo(&account.secrets.tokens, &query)
        .map_err(|error| entrance.refused(account, &error))?;
    let callbacks = &entrance.callbacks;
    callbacks.spend_without_event(account, &query, b"").await?;
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
    State(entrance): State<Arc<Entrance>>,
    PathPart(name): PathPart,
    uri: Uri,
    body: Body,
) -> Result<Response, Problem> {
    let until = Instant::now() + REPLY_WITHIN;
    let (account, query) = entrance.account(&name, &uri)?;
    entrance.in_window(account, &query)?;
    let callbacks = &entrance.callbacks;
    let body = read_body(body, MAX_BODY).await?;
    let opened = match open(account.mode, &account.secrets, &query, &body) {
        Ok(opened) => opened,
        Err(error) => {
            callbacks
                .spend_without_event(account, &query, &body)
                .await?;
            return Err(entrance.refused(account, &error));
        }
    };
    let nonce = (account.mode == Mode::Plain).then(|| callbacks.nonce(account, &query, &body));
    let (event, plain) = (&opened.event, &*opened.body);
    let asked = match callbacks.take(account, (event, plain), nonce).await {
        Ok(Kept::InTheStore) => None,
        Ok(Kept::OnTheSpool(asked)) => asked,
        Err(AcceptError::Store(error)) => return Err(error.into()),
        Err(error) => return Err(entrance.refused(account, &error)),
    };
    let reply = account.hub.ask(event.name(), plain, until).await;
    let reply = reply.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if let Some(asked) = asked {
        asked.done();
    }
    Ok(match reply {
        Some(reply) => answer(account, &opened, &query, reply),
        None => success(),
    })
}

fn success() -> Response {
    let plain = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (plain, "success").into_response()
}

/// A consumer's reply as WeChat wants it: encrypted like the push it answers.
fn answer(
    account: &CallbackAccount,
    opened: &Opened,
    query: &CallbackQuery,
    reply: Reply,
) -> Response {
    let key = opened.key.and_then(|key| account.secrets.keys.get(key));
    let token = opened
        .token
        .and_then(|token| account.secrets.tokens.get(token));
    let body = match key.zip(token) {
        None => reply.body,
        Some((key, token)) => {
            let seal = Seal {
                key,
                appid: &account.secrets.appid,
                random: envelope::random(),
            };
            let signer = Signer {
                token,
                timestamp: timestamp(query).unwrap_or_default(),
                nonce: query.nonce.as_deref().unwrap_or_default(),
            };
            seal_reply(&seal, &signer, opened.format, &reply.body)
        }
    };
    let kind = match reply.format {
        Format::Xml => "text/xml; charset=utf-8",
        Format::Json => "application/json; charset=utf-8",
    };
    ([(CONTENT_TYPE, kind)], body).into_response()
}

impl Entrance {
    fn account(&self, name: &str, uri: &Uri) -> Result<(&CallbackAccount, CallbackQuery), Problem> {
        let account = self.callbacks.accounts.get(name).ok_or_else(forbidden)?;
        let query = Query::try_from_uri(uri).map_err(|error| self.refused(account, &error))?;
        Ok((account, query.0))
    }

    fn in_window(&self, account: &CallbackAccount, query: &CallbackQuery) -> Result<(), Problem> {
        let moment = timestamp(query).map(|seconds| seconds.saturating_mul(1000));
        let wall = self.callbacks.clock.wall();
        let near = moment.is_some_and(|at| at.abs_diff(wall.0) <= WINDOW.as_millis() as u64);
        if near {
            return Ok(());
        }
        Err(self.refused(account, &OutOfWindow))
    }

    fn refused(&self, account: &CallbackAccount, error: &impl std::error::Error) -> Problem {
        let name = &account.name;
        tracing::debug!(account = %name, %error, "a push was refused");
        let now = self.callbacks.now();
        if let Some(count) = self.refusals.get(name).and_then(|of| of.to_tell(now)) {
            tracing::warn!(account = %name, count, last = %error, "pushes were refused");
        }
        forbidden()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its timestamp is more than 300 s off")]
struct OutOfWindow;

impl Callbacks {
    /// Everybody that events are passed on to.
    pub fn consumers(&self) -> impl Iterator<Item = Arc<Consumer>> {
        let hubs = self.accounts.values().map(|account| &account.hub);
        hubs.flat_map(|hub| hub.consumers.iter().cloned())
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
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
        let pushed_at = UnixMs(seconds.saturating_mul(1000));
        Nonce {
            owner: owner(account),
            nonce: format!("{at}\n{nonce}\n{signature}"),
            expires_at: remember_until(pushed_at, WINDOW),
            body: Some(Sha256::digest(body).into()),
            act: None,
        }
    }

    /// A plain address that brought no event, because its body cannot be read or it was a check, must not bring one later.
    async fn spend_without_event(
        &self,
        account: &CallbackAccount,
        query: &CallbackQuery,
        body: &[u8],
    ) -> Result<(), Problem> {
        let signed = || signature::verify_query(&account.secrets.tokens, query).is_ok();
        if account.mode != Mode::Plain || !signed() {
            return Ok(());
        }
        let nonce = self.nonce(account, query, body);
        match self.ledger.spend(nonce, self.now()).await {
            Err(AcceptError::Store(error)) => Err(error.into()),
            // It is spent, now or before.
            _ => Ok(()),
        }
    }
}

fn timestamp(query: &CallbackQuery) -> Option<i64> {
    query.timestamp.as_deref()?.parse().ok()
}

fn forbidden() -> Problem {
    Problem::forbidden("this call is not WeChat's")
}
