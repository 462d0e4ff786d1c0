//! The door of every route that needs a caller: reads the body once, checks the signature over it and the scope.
//! It must not know what a route does; it hands on who is calling, and for a change the nonce to be spent with it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hongyan_courier::port::Nonce;
use http::HeaderMap;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::api::error::Problem;
use crate::auth::authenticator::Authenticator;
use crate::auth::client::Identity;
use crate::auth::error::AuthError;
use crate::auth::scope::Scope;
use crate::clock::SystemClock;

/// A body that takes longer than this to arrive is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Door {
    pub authenticator: Authenticator,
    pub clock: Arc<SystemClock>,
    pub body_bytes_max: usize,
}

/// What a route asks of its caller: any one of the scopes.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// The route changes nothing.
    Read(&'static [Scope]),
    /// The route changes something: its nonce is stored with the change.
    Write(&'static [Scope]),
}

impl Need {
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Read(scopes) | Self::Write(scopes) => scopes,
        }
    }
}

/// A request whose caller is known and may do this.
#[derive(Clone, Debug)]
pub struct Signed {
    pub caller: Identity,
    /// To be spent in the transaction that makes the change; none for a read.
    pub nonce: Option<Nonce>,
    /// Moved here, so that no route copies them.
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone)]
pub struct Guard {
    pub door: Arc<Door>,
    pub need: Need,
}

/// Middleware of a single route.
pub async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.door.admit(request, guard.need).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

impl Door {
    async fn admit(&self, request: Request, need: Need) -> Result<Request, Problem> {
        let (mut parts, body) = request.into_parts();
        let body = read_body(body, self.body_bytes_max).await?;
        let wall = self.clock.wall();
        let (caller, nonce) = match need {
            Need::Read(_) => (self.authenticator.read(&parts, &body, wall)?, None),
            Need::Write(_) => {
                let (caller, nonce) = self.authenticator.write(&parts, &body, wall)?;
                (caller, Some(nonce))
            }
        };
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
        let signed = Signed {
            caller,
            nonce,
            headers: std::mem::take(&mut parts.headers),
            body,
        };
        parts.extensions.insert(signed);
        Ok(Request::from_parts(parts, axum::body::Body::empty()))
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
