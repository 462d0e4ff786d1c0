//! A call as the layers see it, and its answer.
//! Knows which endpoint it is and never shows the query or the body: they hold secrets.

use std::fmt;

use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::fresh::Ask;
use super::{ANSWER_LIMIT, Hosts};
use crate::errcode::Endpoint;
use crate::error::{CallError, NotSent, NotSentCause};
use crate::secret::SharedSecret;

const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One call. Not `Clone`: a call must not be repeated without its maker knowing.
pub struct ApiRequest {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    pub(super) body: Bytes,
    pub(super) limit: usize,
    pub(super) hosts: Hosts,
    /// Masked in whatever the answer says.
    pub(super) secret: SharedSecret,
    /// Asked just before the first byte of a call over a connection of its own.
    pub(super) ask: Option<Ask>,
}

/// A good answer: HTTP success, JSON, and no errcode but 0.
#[derive(Clone)]
#[non_exhaustive]
pub struct ApiResponse {
    /// The call.
    pub endpoint: Endpoint,
    /// The HTTP status.
    pub status: u16,
    /// The body, a JSON object. That of a token call holds the token.
    pub body: Bytes,
}

impl ApiRequest {
    /// Which call this is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The length of its body, in bytes.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    pub(crate) fn get(
        endpoint: Endpoint,
        secret: SharedSecret,
        query: &[(&str, &str)],
    ) -> Result<Self, CallError> {
        Self::new(endpoint, secret, query, None)
    }

    pub(crate) fn post(
        endpoint: Endpoint,
        secret: SharedSecret,
        query: &[(&str, &str)],
        body: &impl Serialize,
    ) -> Result<Self, CallError> {
        let body =
            serde_json::to_vec(body).map_err(|_| not_sent(endpoint, NotSentCause::Request))?;
        Self::new(endpoint, secret, query, Some(body.into()))
    }

    /// Lets the answer be as long as `bytes`.
    pub(crate) fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// A call whose body is written already; a GET without one.
    pub(crate) fn new(
        endpoint: Endpoint,
        secret: SharedSecret,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Self, CallError> {
        let room = query
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum::<usize>();
        let mut target = String::with_capacity(endpoint.path().len() + room);
        target.push_str(endpoint.path());
        for (place, (name, value)) in query.iter().enumerate() {
            target.push(if place == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.extend(utf8_percent_encode(value, QUERY));
        }
        let target = PathAndQuery::from_maybe_shared(Bytes::from(target))
            .map_err(|_| not_sent(endpoint, NotSentCause::Request))?;
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let (body, hosts) = (body.unwrap_or_default(), Hosts::official());
        Ok(Self {
            endpoint,
            method,
            target,
            body,
            limit: ANSWER_LIMIT,
            hosts,
            secret,
            ask: None,
        })
    }
}

pub(super) fn not_sent(endpoint: Endpoint, cause: NotSentCause) -> CallError {
    NotSent {
        endpoint,
        cause,
        source: None,
    }
    .into()
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiRequest")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiResponse")
            .field("endpoint", &self.endpoint)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
