//! The outermost layer of every request: its ids, its span, its time; and the trace id of every problem.
//! It must not know routes or who may call them.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tracing::Instrument;

use crate::api::error::Problem;
use crate::telemetry::trace::TraceId;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 64;

/// For `axum::middleware::from_fn`, as the outermost layer of a router. Handlers find the `TraceId` in the request's
/// extensions; a `Problem` they answer with is given it here.
pub async fn request_context(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let trace_id = TraceId::from_headers(request.headers()).unwrap_or_else(TraceId::random);
    let request_id = request_id(request.headers(), trace_id);
    request.extensions_mut().insert(trace_id);
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route_label = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!("request", %trace_id);

    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.put_trace_id(trace_id, &mut response);
    }
    response.headers_mut().insert(REQUEST_ID, request_id);

    let took = started.elapsed();
    let status = response.status();
    span.in_scope(|| {
        tracing::debug!(
            method,
            route = route_label,
            status = status.as_u16(),
            took_us = took.as_micros() as u64,
            "answered"
        )
    });
    metrics::histogram!(
        "hongyan_http_request_duration_seconds",
        "method" => method,
        "route" => route_label.to_owned(),
        "status" => status.as_str().to_owned(),
    )
    .record(took.as_secs_f64());
    response
}

/// The caller's own id where it is harmless to repeat, else the trace id.
fn request_id(headers: &HeaderMap, trace_id: TraceId) -> HeaderValue {
    let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    match headers.get(REQUEST_ID) {
        Some(id)
            if (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
                && id.as_bytes().iter().all(harmless) =>
        {
            id.clone()
        }
        _ => HeaderValue::try_from(trace_id.to_string()).expect("hex digits are a header value"),
    }
}

/// A caller may invent methods; a label may not be invented.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::telemetry::prometheus::Metrics;

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    async fn call(request_id: &str) -> (String, serde_json::Value) {
        let router = Router::new()
            .route(
                "/v1/things/{id}",
                get(|| async { Problem::not_found("there is no such thing") }),
            )
            .layer(axum::middleware::from_fn(request_context));
        let request = Request::get("/v1/things/7")
            .header("traceparent", TRACEPARENT)
            .header(REQUEST_ID, request_id)
            .body(Body::empty())
            .unwrap();
        let response = router.oneshot(request).await.unwrap();
        let id = response.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (id, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn every_reply_has_a_request_id_and_every_problem_a_trace_id() {
        let metrics = Metrics::install().unwrap();
        let (id, problem) = call("order-42.a_b").await;
        assert_eq!(id, "order-42.a_b");
        assert_eq!(problem["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(problem["code"], "not_found");
        for unfit in ["", "a b", "x".repeat(65).as_str()] {
            assert_eq!(call(unfit).await.0, "4bf92f3577b34da6a3ce929d0e0e4736");
        }
        let text = metrics.render();
        let count = "hongyan_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/things/{id}\",status=\"404\"}";
        assert!(text.contains(count), "{text}");
    }
}
