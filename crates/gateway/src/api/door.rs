//! The door of every route that needs a caller: turns away whoever comes too often, reads the body once, checks the
//! signature over it, or the token, and the scope.
//! It must not know what a route does; it hands on who is calling, and for a change the nonce to be spent with it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hongyan_courier::UnixMs;
use hongyan_courier::audit::Act;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::Nonce;
use hongyan_courier::time::Clock;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::api::access::{Line, Need};
use crate::api::deed;
use crate::api::error::Problem;
use crate::auth::authenticator::Authenticator;
use crate::auth::bearer;
use crate::auth::client::Identity;
use crate::auth::error::AuthError;
use crate::auth::refused::RefusedNonces;
use crate::clock::SystemClock;
use crate::limits::room::Room;
use crate::limits::standing::Standing;
use crate::limits::{Entry, Limits};

/// A body that takes longer than this to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Door {
    pub authenticator: Authenticator,
    pub clock: Arc<SystemClock>,
    pub limits: Arc<Limits>,
    pub refused: RefusedNonces,
    pub body_bytes_max: usize,
}

/// A request whose caller is known and may do this.
#[derive(Clone, Debug)]
pub struct Signed {
    pub caller: Identity,
    /// To be spent in the transaction that makes the change; none for a read, nor for a caller with a token.
    pub nonce: Option<Nonce>,
    /// What a read is written down as, where what it shows is secret. That of a change goes with its nonce.
    pub act: Option<Box<Act>>,
    /// Moved here, so that no route copies them.
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct Guard {
    pub door: Arc<Door>,
    pub need: Need,
    pub line: &'static Line,
}

/// Middleware of a single route.
pub async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let door = &guard.door;
    let known = match door.recognise(request, guard.need).await {
        Ok(known) => known,
        Err(problem) => return problem.into_response(),
    };
    let nonce = known.nonce.clone();
    let response = match door.admit(known, guard.need, guard.line).await {
        Ok((request, standing)) => {
            let mut response = next.run(request).await;
            if let Some(standing) = standing {
                standing.write(response.headers_mut());
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    let (status, unchanged) = (response.status(), response.extensions().get::<Unchanged>());
    if let Some(nonce) = nonce
        && (!status.is_success() || unchanged.is_some())
    {
        door.use_up(nonce, status);
    }
    response
}

/// In the answer to a write that changed nothing, with which its nonce was not stored either.
#[derive(Clone, Copy, Debug)]
pub struct Unchanged;

/// A request whose caller is known.
struct Known {
    parts: Parts,
    from: Option<IpAddr>,
    caller: Identity,
    /// Of a signed write.
    nonce: Option<Nonce>,
    body: Bytes,
}

impl Door {
    async fn recognise(&self, request: Request, need: Need) -> Result<Known, Problem> {
        let (parts, body) = request.into_parts();
        let from = self.limits.address(&parts);
        self.limits.knock(Entry::Api, from).await?;
        let known = self.identify(&parts, body, need).await;
        if let Err(Unknown::Caller(_) | Unknown::Unheard(_)) = known {
            self.limits.failed(Entry::Api, from).await;
        }
        let (caller, nonce, body) = known?;
        Ok(Known {
            parts,
            from,
            caller,
            nonce,
            body,
        })
    }

    async fn admit(
        &self,
        known: Known,
        need: Need,
        line: &Line,
    ) -> Result<(Request, Option<Standing>), Problem> {
        let Known {
            mut parts,
            from,
            caller,
            mut nonce,
            body,
        } = known;
        let standing = self.limits.client(&caller.client).await?;
        let mut missing = None;
        for scope in need.scopes() {
            match caller.require(*scope) {
                Ok(()) => {
                    missing = None;
                    break;
                }
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        if let Some(error) = missing {
            return Err(error.into());
        }
        let now = self.clock.wall();
        let act = deed::of(&mut parts, &body, (line, &caller, from), now).await;
        let act = match need {
            Need::Read(_) => act,
            Need::Write(_) => {
                put_down(&mut nonce, act, &caller, now);
                None
            }
        };
        let signed = Signed {
            caller,
            nonce,
            act,
            headers: std::mem::take(&mut parts.headers),
            body,
        };
        parts.extensions.insert(signed);
        let request = Request::from_parts(parts, Body::empty());
        Ok((request, standing))
    }

    /// Who is calling. What can be told from the head alone is told before the body is read.
    async fn identify(
        &self,
        parts: &Parts,
        body: Body,
        need: Need,
    ) -> Result<(Identity, Option<Nonce>, Bytes), Unknown> {
        if let Some(token) = bearer::token(parts)? {
            let caller = self.authenticator.bearer(token, self.clock.wall()).await?;
            let body = read_body(body, self.body_bytes_max).await?;
            return Ok((caller, None, body));
        }
        self.authenticator.look(parts, self.clock.wall())?;
        let body = self.read_unproven(body).await?;
        let wall = self.clock.wall();
        match need {
            Need::Read(_) => {
                let caller = self.authenticator.read(parts, &body, wall)?;
                Ok((caller, None, body))
            }
            Need::Write(_) => {
                let (caller, nonce) = self.authenticator.write(parts, &body, wall)?;
                Ok((caller, Some(nonce), body))
            }
        }
    }

    /// Reads the body of somebody who has proved nothing yet: of all those together no more than a bound is in memory.
    async fn read_unproven(&self, body: Body) -> Result<Bytes, Unknown> {
        let room = Some(self.limits.room());
        let read = read_body_into(body, self.body_bytes_max, room).await;
        read.map_err(|problem| match problem.code {
            "malformed" => Unknown::Unheard(problem),
            _ => Unknown::Request(problem),
        })
    }

    /// A recorded request that was refused, or changed nothing, is not let in later either: not while this process lives, and not after it, unless
    /// the store is away or busy. Nobody waits for that.
    fn use_up(&self, nonce: Nonce, status: StatusCode) {
        self.authenticator.refused(&nonce);
        // After another answer the store is in trouble.
        if status.is_client_error() || status.is_success() {
            self.refused.store(nonce, self.clock.now());
        }
    }
}

/// What is done is written down together with the nonce's being spent. A caller with a token has none: it gets one that
/// nobody else ever has, and that is forgotten at once.
fn put_down(nonce: &mut Option<Nonce>, act: Option<Box<Act>>, caller: &Identity, now: UnixMs) {
    let Some(act) = act else { return };
    let nonce = nonce.get_or_insert_with(|| Nonce {
        owner: caller.client.to_string(),
        nonce: format!("token {}", uuid::Uuid::now_v7()),
        expires_at: now,
        body: None,
        act: None,
    });
    nonce.act = Some(act);
}

impl Signed {
    /// Says in which account something is done, if the call did not.
    pub fn about(&mut self, account: &AccountName) {
        let of_change = self.nonce.as_mut().and_then(|nonce| nonce.act.as_mut());
        if let Some(act) = of_change.or(self.act.as_mut()) {
            act.account.get_or_insert_with(|| account.clone());
        }
    }
}

/// Why it is not known who is calling.
enum Unknown {
    /// The caller did not prove it.
    Caller(AuthError),
    /// The body did not come, so the caller could not.
    Unheard(Problem),
    /// The request could not be read.
    Request(Problem),
}

impl From<AuthError> for Unknown {
    fn from(error: AuthError) -> Self {
        Self::Caller(error)
    }
}

impl From<Problem> for Unknown {
    fn from(problem: Problem) -> Self {
        Self::Request(problem)
    }
}

impl From<Unknown> for Problem {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Caller(error) => error.into(),
            Unknown::Unheard(problem) | Unknown::Request(problem) => problem,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Absent only if a route was listed without its guard, which the router's tests refuse.
        parts
            .extensions
            .remove()
            .ok_or_else(|| AuthError::Refused.into())
    }
}

/// The whole body, within the bound.
pub async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    read_body_into(body, bytes_max, None).await
}

/// The same, into so much room as there is, if that is bounded.
async fn read_body_into(
    body: Body,
    bytes_max: usize,
    room: Option<Room>,
) -> Result<Bytes, Problem> {
    let body = Limited::new(body, bytes_max);
    let reading = async {
        match room {
            Some(mut room) => room.fill(body).await,
            None => Ok(Ok(body.collect().await?.to_bytes())),
        }
    };
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, reading).await else {
        let seconds = BODY_TIMEOUT.as_secs();
        return Err(Problem::malformed(format!(
            "the body did not arrive within {seconds} s"
        )));
    };
    match read {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(format!(
            "the body is longer than {bytes_max} bytes"
        ))),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let body = Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
        let began = tokio::time::Instant::now();
        let problem = read_body(body, 1024).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (400, "malformed"));
        assert_eq!(problem.detail, "the body did not arrive within 30 s");
        assert_eq!(began.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    }
}
