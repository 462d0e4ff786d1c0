//! The door for programs that speak to WeChat: its calls in its own shapes, so that an SDK needs another address and nothing
//! else. Behind it are the same checks and the same store as behind `/v1`. It must not hand out a real token.

pub mod answer;
pub mod calls;
pub mod codes;
mod grant;
pub mod mint;
pub mod pace;
mod quoted;
mod relay;
mod send;
pub mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use hongyan_courier::audit::{Act, Audit};
use hongyan_courier::message::AccountName;
use hongyan_courier::quota::Quotas;
use hongyan_courier::template::book::Book;
use hongyan_courier::time::Clock;
use hongyan_courier::token::Keeper;
use http::Method;
use metrics::counter;

use crate::api::accounts::Accounts;
use crate::api::door::read_body;
use crate::api::messages::send::Intake;
use crate::auth::client::{Clients, Identity};
use crate::auth::scope::Scope;
use crate::clock::SystemClock;
use crate::limits::{Entry, Limits};
use crate::telemetry::trace::TraceId;
use answer::{Answer, Refusal};
use calls::{Call, Task, Verbs};
use pace::Bad;
use relay::Passed;
pub use relay::Relay;
use tokens::{NotBelieved, Tokens};

/// Where WeChat's calls live.
const ROUTES: [&str; 3] = ["/cgi-bin/{*call}", "/wxaapi/{*call}", "/wxa/{*call}"];
/// More than a call has that brings a secret.
const SECRET_BODY_BYTES_MAX: usize = 16 << 10;
/// More pairs than any call has.
const PAIRS_MAX: usize = 64;

/// What the door is made of.
pub struct Compat {
    pub clients: Clients,
    pub accounts: Arc<Accounts>,
    pub tokens: Arc<Tokens>,
    pub limits: Arc<Limits>,
    pub intake: Arc<Intake>,
    pub upstream: Arc<dyn Relay>,
    pub keeper: Arc<Keeper>,
    pub quotas: Arc<Quotas>,
    pub book: Arc<Book>,
    pub audit: Arc<dyn Audit>,
    pub clock: Arc<SystemClock>,
    pub body_bytes_max: usize,
}

/// The door's routes.
pub fn router(compat: Arc<Compat>) -> Router {
    let routes = ROUTES.into_iter();
    let router = routes.fold(Router::new(), |router, path| router.route(path, any(enter)));
    router.with_state(compat)
}

async fn enter(
    State(compat): State<Arc<Compat>>,
    Extension(trace): Extension<TraceId>,
    request: Request,
) -> Response {
    let call = calls::find(request.uri().path());
    let outcome = compat.answer(call, request, trace).await;
    let errcode = outcome.as_ref().err().map_or(0, |refusal| refusal.errcode);
    counter!(
        "hongyan_compat_calls_total",
        "call" => call.map_or("other", |call| call.path),
        "errcode" => errcode.to_string(),
    )
    .increment(1);
    answer::written(outcome, compat.clock.wall(), trace)
}

impl Compat {
    async fn answer(
        &self,
        call: Option<&'static Call>,
        request: Request,
        trace: TraceId,
    ) -> Result<Answer, Refusal> {
        let call = call.ok_or_else(|| {
            Refusal::new(
                48001,
                "api unauthorized: this gateway does not pass the call on",
            )
        })?;
        let (parts, body) = request.into_parts();
        let peer = self.limits.address(&parts);
        let knocked = self.limits.knock(Entry::Compat, peer).await;
        knocked.map_err(|_| codes::slower())?;
        if !call.verbs.takes(&parts.method) {
            return Err(match call.verbs {
                Verbs::Get => Refusal::new(43001, "require GET method"),
                Verbs::Post | Verbs::Either => Refusal::new(43002, "require POST method"),
            });
        }
        let params = Params::of_form(parts.uri.query().unwrap_or_default());
        let params = params.ok_or_else(|| Refusal::new(40035, "invalid parameter"))?;
        let note = Note { peer, trace };
        if matches!(
            call.task,
            Task::Token | Task::StableToken | Task::ClearQuotaBySecret
        ) {
            // Who calls is known from the body alone, so little of it is read.
            let body = whole(body, SECRET_BODY_BYTES_MAX).await?;
            return match call.task {
                Task::ClearQuotaBySecret => self.clear_by_secret(&body, call.scopes, note).await,
                task => {
                    let stable = task == Task::StableToken;
                    self.grant((&params, &body[..]), peer, stable).await
                }
            };
        }
        let (caller, account) = self.caller(&params, peer).await?;
        let limited = self.limits.client(&caller.client).await;
        limited.map_err(|_| codes::slower())?;
        self.allowed(caller, call.scopes)?;
        let body = whole(body, self.body_bytes_max).await?;
        let passed = Passed {
            call,
            params: &params,
            body: (parts.method != Method::GET).then(|| body.clone()),
        };
        let by = (caller, account);
        match call.task {
            Task::Send(kind) => self.send(by, kind, &body, trace).await,
            Task::ClearQuota => {
                self.own_appid(account, &body)?;
                self.clear_quota(by, note).await
            }
            Task::ListTemplates => self.list_templates(account, &passed, &caller.reach).await,
            Task::ReadCall if caller.reach.templates().is_some() => {
                Err(Refusal::new(48001, "api unauthorized"))
            }
            Task::Change(change) => self.change(by, &passed, (change, note)).await,
            Task::Read
            | Task::ReadCall
            | Task::Token
            | Task::StableToken
            | Task::ClearQuotaBySecret => self.read(account, &passed).await.map(Answer::Relayed),
        }
    }

    /// Whose token it is, and for which account.
    async fn caller(
        &self,
        params: &Params,
        peer: Option<IpAddr>,
    ) -> Result<(&Identity, &AccountName), Refusal> {
        let token = params.get("access_token");
        let token = token.ok_or_else(|| Refusal::new(41001, "access_token missing"))?;
        let (bad, refusal) = match self.tokens.believe(token, &self.clients) {
            Ok(claim) => {
                let (client, _) = self.clients.find(&claim.client);
                let seen = client.and_then(|client| {
                    let seen = self.accounts.seen_by(&client.identity);
                    let account = seen.find(claim.account.as_str())?;
                    Some((&client.identity, account))
                });
                // The account may be gone from the configuration, or from the client's reach.
                match seen {
                    Some(caller) => return Ok(caller),
                    None => (Bad::Stale, not_latest()),
                }
            }
            Err(NotBelieved::Expired) => (Bad::Stale, Refusal::new(42001, "access_token expired")),
            Err(NotBelieved::Revoked) => (Bad::Stale, not_latest()),
            Err(NotBelieved::Forged) => (Bad::Forged, not_latest()),
        };
        if bad == Bad::Forged {
            self.limits.failed(Entry::Compat, peer).await;
        }
        match self.tokens.pace.slow(token, bad, peer).await {
            true => Err(refusal),
            false => Err(codes::slower()),
        }
    }

    fn allowed(&self, caller: &Identity, scopes: &[Scope]) -> Result<(), Refusal> {
        let allowed = scopes.iter().any(|scope| caller.scopes.contains(*scope));
        let refused = || {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            let text = format!("api unauthorized: the client lacks {}", scopes.join(" or "));
            Refusal::new(48001, text)
        };
        allowed.then_some(()).ok_or_else(refused)
    }

    /// The body may name an appid, and then the token's.
    fn own_appid(&self, account: &AccountName, body: &Bytes) -> Result<(), Refusal> {
        let named: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| Refusal::new(47001, "data format error"))?;
        let own = self.accounts.seen_by_all().known(account.as_str());
        match (named["appid"].as_str(), own) {
            (Some(appid), Some(own)) if own.appid == appid => Ok(()),
            _ => Err(Refusal::new(40013, "invalid appid")),
        }
    }
}

/// From where a change comes, for the list of who did what.
#[derive(Clone, Copy)]
struct Note {
    peer: Option<IpAddr>,
    trace: TraceId,
}

impl Compat {
    /// Writes down what is done elsewhere than in the store, before it is done.
    async fn note(
        &self,
        (caller, account): (&Identity, &AccountName),
        what: &str,
        (subject, details): (Option<String>, Option<String>),
        note: Note,
    ) -> Result<(), Refusal> {
        let act = Act {
            at: self.clock.now(),
            who: caller.client.to_string(),
            from: note.peer.map(|peer| peer.to_string()),
            what: what.to_owned(),
            account: Some(account.clone()),
            subject,
            recipient: None,
            details,
            trace_id: Some(note.trace.to_string()),
        };
        let written = self.audit.record(act).await;
        written.map_err(|_| codes::slower())
    }
}

/// A body to its end, within a bound.
async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    read_body(body, bytes_max)
        .await
        .map_err(|problem| match problem.code {
            "too_large" => Refusal::new(45002, "content size out of limit"),
            _ => Refusal::new(47001, "data format error"),
        })
}

fn not_latest() -> Refusal {
    Refusal::new(
        40001,
        "invalid credential, access_token is invalid or not latest",
    )
}

/// A query or a form, decoded.
pub struct Params(Vec<(String, String)>);

impl Params {
    fn of_form(text: &str) -> Option<Self> {
        let uri = http::Uri::builder()
            .path_and_query(format!("/?{text}"))
            .build()
            .ok()?;
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri);
        pairs
            .ok()
            .filter(|pairs| pairs.len() <= PAIRS_MAX)
            .map(|pairs| Self(pairs.0))
    }

    /// A value that is there once, and not empty: which of two would be meant?
    fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter().filter(|(found, _)| found == name);
        let (_, value) = all.next()?;
        (all.next().is_none() && !value.is_empty()).then_some(value.as_str())
    }

    /// All but these.
    fn but<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let others = self
            .0
            .iter()
            .filter(move |(name, _)| !names.contains(&name.as_str()));
        others.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
