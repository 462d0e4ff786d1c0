//! The door of every route that needs a caller: turns away whoever comes too often, reads the body once, checks the
//! signature over it, or the token, and the scope.
//! It must not know what a route does; it hands on who is calling, and for a change the nonce to be spent with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hongyan_courier::UnixMs;
use hongyan_courier::audit::Act;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::Nonce;
use http::HeaderMap;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::api::access::{Line, Need};
use crate::api::deed;
use crate::api::error::Problem;
use crate::auth::authenticator::Authenticator;
use crate::auth::bearer;
use crate::auth::client::Identity;
use crate::auth::error::AuthError;
use crate::clock::SystemClock;
use crate::limits::standing::Standing;
use crate::limits::{Entry, Limits};

/// A body that takes longer than this to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Door {
    pub authenticator: Authenticator,
    pub clock: Arc<SystemClock>,
    pub limits: Arc<Limits>,
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
    let (request, standing) = match guard.door.admit(request, guard.need, guard.line).await {
        Ok(admitted) => admitted,
        Err(problem) => return problem.into_response(),
    };
    let mut response = next.run(request).await;
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    response
}

impl Door {
    async fn admit(
        &self,
        request: Request,
        need: Need,
        line: &Line,
    ) -> Result<(Request, Option<Standing>), Problem> {
        let (mut parts, body) = request.into_parts();
        let from = self.limits.address(&parts);
        self.limits.knock(Entry::Api, from).await?;
        let known = self.recognise(&parts, body, need).await;
        if let Err(Unknown::Caller(_)) = known {
            self.limits.failed(Entry::Api, from).await;
        }
        let (caller, mut nonce, body) = known?;
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
        let request = Request::from_parts(parts, axum::body::Body::empty());
        Ok((request, standing))
    }

    /// Who is calling. What can be told from the head alone is told before the body is read.
    async fn recognise(
        &self,
        parts: &Parts,
        body: axum::body::Body,
        need: Need,
    ) -> Result<(Identity, Option<Nonce>, Bytes), Unknown> {
        if let Some(token) = bearer::token(parts)? {
            let caller = self.authenticator.bearer(token, self.clock.wall()).await?;
            let body = read_body(body, self.body_bytes_max).await?;
            return Ok((caller, None, body));
        }
        self.authenticator.look(parts, self.clock.wall())?;
        let body = read_body(body, self.body_bytes_max).await?;
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
            Unknown::Request(problem) => problem,
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
pub async fn read_body(body: axum::body::Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let reading = Limited::new(body, bytes_max).collect();
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, reading).await else {
        let seconds = BODY_TIMEOUT.as_secs();
        return Err(Problem::malformed(format!(
            "the body did not arrive within {seconds} s"
        )));
    };
    match read {
        Ok(body) => Ok(body.to_bytes()),
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
        let body =
            axum::body::Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>());
        let began = tokio::time::Instant::now();
        let problem = read_body(body, 1024).await.unwrap_err();
        assert_eq!((problem.status, problem.code), (400, "malformed"));
        assert_eq!(problem.detail, "the body did not arrive within 30 s");
        assert_eq!(began.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    }
}
