//! A layer that tells how every call ended and how long it took: what a metric is made of.
//! Knows no metrics library; what becomes of the numbers is the user's.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower::{Layer, Service};

use super::{ApiRequest, ApiResponse};
use crate::errcode::{Class, Endpoint};
use crate::error::{CallError, DoubtCause, NotSentCause};

/// How a call ended: small, without texts, and without anything secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A good answer.
    Ok,
    /// Not a byte left.
    NotSent(NotSentCause),
    /// What became of it is not known.
    InDoubt(DoubtCause),
    /// WeChat answered with an errcode.
    Refused {
        /// The errcode.
        code: i64,
        /// Its class at the call's endpoint.
        class: Class,
    },
}

impl Outcome {
    /// One word for it, out of a short and fixed list, as labels want: `ok`, `not_sent`, `in_doubt`, or the class of
    /// the refusal: `token`, `busy`, `rate`, `quota`, …
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotSent(_) => "not_sent",
            Self::InDoubt(_) => "in_doubt",
            Self::Refused { class, .. } => match class {
                Class::Ok => "ok",
                Class::Token => "token",
                Class::Busy => "busy",
                Class::Rate(_) => "rate",
                Class::Quota => "quota",
                Class::Parameter(_) => "parameter",
                Class::Template(_) => "template",
                Class::Content => "content",
                Class::Recipient(_) => "recipient",
                Class::Duplicate => "duplicate",
                Class::Account(_) => "account",
                Class::Configuration(_) => "configuration",
                Class::RetiredAddress => "retired_address",
                Class::Unknown => "unknown",
            },
        }
    }

    fn of(outcome: &Result<ApiResponse, CallError>) -> Self {
        match outcome {
            Ok(_) => Self::Ok,
            Err(CallError::NotSent(error)) => Self::NotSent(error.cause),
            Err(CallError::InDoubt(doubt)) => Self::InDoubt(doubt.cause),
            Err(CallError::Refused(refusal)) => Self::Refused {
                code: refusal.code,
                class: refusal.class(),
            },
        }
    }
}

/// Calls back once a call, when it has ended, with its endpoint, its outcome and how long it took from the first host
/// tried to the last byte of the answer. A call whose future is dropped before its end is not told of.
///
/// The answer is good here when its envelope is: a field that then proves to be missing, such as the token of a token
/// call, is found by the call above the layers.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use hongyan_wechat::client::{Client, MeasureLayer, TraceLayer};
///
/// let failures = Arc::new(AtomicU64::new(0));
/// let counted = Arc::clone(&failures);
/// let client = Client::builder()
///     .layer(TraceLayer)
///     .layer(MeasureLayer::new(move |endpoint, outcome, took| {
///         // With a metrics library: histogram!("…", "endpoint" => endpoint.path(), "outcome" => outcome.name()).
///         let _ = (endpoint.path(), took.as_secs_f64());
///         if outcome.name() != "ok" {
///             counted.fetch_add(1, Ordering::Relaxed);
///         }
///     }))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), hongyan_wechat::client::BuildError>(())
/// ```
pub struct MeasureLayer<F>(Arc<F>);

impl<F: Fn(Endpoint, Outcome, Duration)> MeasureLayer<F> {
    /// A layer that calls `tell`, which must not block: the call's answer waits for it.
    #[must_use]
    pub fn new(tell: F) -> Self {
        Self(Arc::new(tell))
    }
}

// By hand, as deriving would ask the same of the closure.
impl<F> Clone for MeasureLayer<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F> fmt::Debug for MeasureLayer<F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MeasureLayer")
    }
}

/// The service of [`MeasureLayer`].
pub struct Measure<S, F> {
    inner: S,
    tell: Arc<F>,
}

impl<S: Clone, F> Clone for Measure<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            tell: Arc::clone(&self.tell),
        }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Measure<S, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Measure").field(&self.inner).finish()
    }
}

impl<S, F> Layer<S> for MeasureLayer<F> {
    type Service = Measure<S, F>;

    fn layer(&self, inner: S) -> Measure<S, F> {
        Measure {
            inner,
            tell: Arc::clone(&self.0),
        }
    }
}

impl<S, F> Service<ApiRequest> for Measure<S, F>
where
    S: Service<ApiRequest, Response = ApiResponse, Error = CallError>,
    S::Future: Send + 'static,
    F: Fn(Endpoint, Outcome, Duration) + Send + Sync + 'static,
{
    type Response = ApiResponse;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<ApiResponse, CallError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: ApiRequest) -> Self::Future {
        let (endpoint, tell) = (request.endpoint(), Arc::clone(&self.tell));
        let begun = Instant::now();
        let call = self.inner.call(request);
        Box::pin(async move {
            let outcome = call.await;
            tell(endpoint, Outcome::of(&outcome), begun.elapsed());
            outcome
        })
    }
}
