//! How a call can fail: not sent, in doubt, or refused. The three are all that a caller's next step depends on.
//! Knows no HTTP library; a cause from one is carried boxed.

use std::error::Error;

use crate::errcode::{Class, Endpoint, classify};

type Source = Box<dyn Error + Send + Sync + 'static>;

/// Why a call to WeChat has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No byte of the call left this side: repeating it anywhere, at any time, is safe.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// Something of the call may have arrived: WeChat may have done what it asks.
    #[error(transparent)]
    InDoubt(#[from] Doubt),
    /// WeChat answered with an errcode. What that means is its [class](ApiError::class); a busy class leaves
    /// the outcome in doubt too.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

impl CallError {
    /// The call that failed.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::NotSent(error) => error.endpoint,
            Self::InDoubt(error) => error.endpoint,
            Self::Refused(error) => error.endpoint,
        }
    }
}

/// A call that never left.
#[derive(Debug, thiserror::Error)]
#[error("{endpoint} was not called: {cause}")]
pub struct NotSent {
    /// The call.
    pub endpoint: Endpoint,
    /// What kept it.
    pub cause: NotSentCause,
    /// What the network said.
    #[source]
    pub source: Option<Source>,
}

/// What kept a call from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotSentCause {
    /// The name, the connection or TLS failed on every host.
    #[error("no host could be reached")]
    Connect,
    /// The caller's own check said no at the last moment.
    #[error("it was no longer allowed")]
    NotAllowed,
    /// It cannot be written as HTTP: a token of impossible length, for one.
    #[error("it cannot be written as a request")]
    Request,
}

/// A call whose outcome is not known.
#[derive(Debug, thiserror::Error)]
#[error("what became of the call to {endpoint} is in doubt: {cause}")]
pub struct Doubt {
    /// The call.
    pub endpoint: Endpoint,
    /// Why there is doubt.
    pub cause: DoubtCause,
    /// What the network said.
    #[source]
    pub source: Option<Source>,
}

/// Why the outcome of a call is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DoubtCause {
    /// A write, a read or the whole call took too long.
    #[error("it timed out")]
    Timeout,
    /// The connection broke before the answer was whole.
    #[error("the connection broke")]
    Reset,
    /// An HTTP status that is not a success; WeChat answers 200 even when it refuses.
    #[error("the HTTP status was {0}")]
    Status(u16),
    /// The answer is not HTTP.
    #[error("the answer is not HTTP")]
    NotHttp,
    /// The answer is not a JSON object: an HTML page, for one.
    #[error("the answer is not JSON")]
    NotJson,
    /// The answer is longer than its bound.
    #[error("the answer is too long")]
    TooLarge,
    /// The answer is JSON without what WeChat promises there; names the field.
    #[error("the answer has no usable `{0}`")]
    Incomplete(&'static str),
}

/// An errcode that is not 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint} answered {code}: {errmsg}")]
pub struct ApiError {
    /// The call.
    pub endpoint: Endpoint,
    /// The errcode.
    pub code: i64,
    /// The errmsg as sent, cut after 1 KiB; secrets of the call that it echoed are masked.
    pub errmsg: String,
    /// WeChat's request id, if the errmsg ends with one; WeChat can be asked about it for 7 days.
    pub rid: Option<String>,
}

impl ApiError {
    /// What kind of answer this is.
    #[must_use]
    pub fn class(&self) -> Class {
        classify(self.endpoint, self.code)
    }
}
