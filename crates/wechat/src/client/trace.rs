//! A layer that traces every call: a span with its endpoint, outcome and duration.
//! Never the URL's query nor a body: they hold secrets.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug_span};

use super::{ApiRequest, ApiResponse};
use crate::error::{CallError, DoubtCause};

/// Adds a `wechat_call` span, at debug level, around every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

/// The service of [`TraceLayer`].
#[derive(Clone, Debug)]
pub struct Trace<S>(S);

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace(inner)
    }
}

impl<S> Service<ApiRequest> for Trace<S>
where
    S: Service<ApiRequest, Response = ApiResponse, Error = CallError>,
    S::Future: Send + 'static,
{
    type Response = ApiResponse;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<ApiResponse, CallError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: ApiRequest) -> Self::Future {
        let span = debug_span!(
            "wechat_call",
            endpoint = request.endpoint().path(),
            status = Empty,
            errcode = Empty,
            rid = Empty,
            took_us = Empty,
            error = Empty,
        );
        let begun = Instant::now();
        let call = self.0.call(request);
        let traced = async move {
            let outcome = call.await;
            let span = Span::current();
            span.record(
                "took_us",
                u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            );
            record(&span, &outcome);
            outcome
        };
        Box::pin(traced.instrument(span))
    }
}

fn record(span: &Span, outcome: &Result<ApiResponse, CallError>) {
    match outcome {
        Ok(response) => {
            span.record("status", response.status).record("errcode", 0);
        }
        Err(CallError::Refused(refusal)) => {
            span.record("status", 200).record("errcode", refusal.code);
            if let Some(rid) = &refusal.rid {
                span.record("rid", rid.as_str());
            }
            tracing::debug!(errmsg = refusal.errmsg, "refused");
        }
        Err(CallError::InDoubt(doubt)) => {
            if let DoubtCause::Status(status) = doubt.cause {
                span.record("status", status);
            }
            span.record("error", tracing::field::display(doubt.cause));
            tracing::debug!("in doubt");
        }
        Err(CallError::NotSent(error)) => {
            span.record("error", tracing::field::display(error.cause));
            tracing::debug!("not sent");
        }
    }
}
