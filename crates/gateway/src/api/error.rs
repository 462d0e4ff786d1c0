//! Every refusal as RFC 9457 `application/problem+json`: one place for codes, titles and statuses.
//! It must not know why a request was refused; callers give the words. What is internal goes to the log, not to them.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hongyan_courier::template::violation::Violation;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::auth::canonical::VERSION;
use crate::auth::error::AuthError;
use crate::limits::standing::Standing;
use crate::telemetry::trace::TraceId;

/// An error, as RFC 9457 describes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "/docs/errors#invalid_message")]
    pub type_: Explained,
    #[schema(example = "The message is not valid")]
    pub title: &'static str,
    #[schema(example = 422)]
    pub status: u16,
    /// What is wrong with this very request.
    pub detail: String,
    /// A stable word to act on.
    #[schema(example = "invalid_message")]
    pub code: &'static str,
    /// Finds this request in the gateway's logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = true, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub trace_id: Option<TraceId>,
    /// One entry for each field that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<Duration>,
    /// The limit that was hit.
    #[serde(skip)]
    #[schema(ignore)]
    pub limit: Option<Box<Standing>>,
}

/// The address at which a code is explained.
#[derive(Debug, Clone, Copy)]
pub struct Explained(&'static str);

impl Serialize for Explained {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("/docs/errors#{}", self.0))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The path of the field, such as `data.thing1.value`.
    pub field: String,
    pub problem: String,
    /// The same in Chinese, where it is about what WeChat takes, a time or the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem_zh: Option<String>,
    /// The rule that was broken, where there is one to name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "thing.length")]
    pub rule: Option<String>,
    /// How many characters the value has, where a rule is about the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
}

impl FieldProblem {
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            problem_zh: None,
            rule: None,
            length: None,
        }
    }
}

/// What WeChat would refuse.
impl From<&Violation> for FieldProblem {
    fn from(violation: &Violation) -> Self {
        Self {
            field: violation.field.clone(),
            problem: violation.english(),
            problem_zh: Some(violation.chinese()),
            rule: Some(violation.rule()),
            length: violation.length,
        }
    }
}

impl Problem {
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "The request cannot be read",
            detail,
        )
    }

    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "The caller is not known",
            detail,
        )
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "The caller may not do this",
            detail,
        )
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here",
            detail,
        )
    }

    pub fn method_not_allowed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "The path does not take this method",
            detail,
        )
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "conflict",
            "The present state does not allow this",
            detail,
        )
    }

    pub fn idempotency_mismatch() -> Self {
        let detail =
            "this Idempotency-Key came before with another body; use a new key for a new request";
        Self::new(
            StatusCode::CONFLICT,
            "idempotency_mismatch",
            "The key belongs to another request",
            detail,
        )
    }

    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "The request is too large",
            detail,
        )
    }

    pub fn invalid_message(errors: Vec<FieldProblem>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.problem),
            all => format!("{} fields are wrong; see errors", all.len()),
        };
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_message",
            "The message is not valid",
            detail,
        );
        Self { errors, ..problem }
    }

    pub fn rate_limited(detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests",
            detail,
        );
        Self {
            retry_after: Some(retry_after),
            ..problem
        }
    }

    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The gateway cannot do this now",
            detail,
        );
        Self {
            retry_after: Some(retry_after),
            ..problem
        }
    }

    /// For what should not happen. The cause is the log's business; the trace id leads to it.
    pub fn internal() -> Self {
        let detail = "the gateway failed; its log has more under the trace id";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The gateway failed",
            detail,
        )
    }

    /// Says in the headers how the caller stands with the limit that was hit.
    #[must_use]
    pub fn standing(self, standing: Standing) -> Self {
        Self {
            limit: Some(Box::new(standing)),
            ..self
        }
    }

    /// For a problem that is part of a larger reply, such as one message of a batch.
    #[must_use]
    pub fn with_trace_id(self, trace_id: TraceId) -> Self {
        Self {
            trace_id: Some(trace_id),
            ..self
        }
    }

    /// Completes a reply that was made of this problem before the trace id was at hand.
    pub fn put_trace_id(self, trace_id: TraceId, response: &mut Response) {
        *response.body_mut() = Body::from(self.with_trace_id(trace_id).to_json());
        response.headers_mut().remove(CONTENT_LENGTH);
    }

    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            type_: Explained(code),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code,
            trace_id: None,
            errors: Vec::new(),
            retry_after: None,
            limit: None,
        }
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are JSON")
    }
}

/// The reply also carries the problem as an extension, for the request layer to add the trace id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json()));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("made of a status code");
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(VERSION));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: to come back a moment early would be refused again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if let Some(standing) = &self.limit {
            standing.write(headers);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::ScopeMissing(_)
            | AuthError::OtherAccounts
            | AuthError::OtherTemplates
            | AuthError::EveryTemplate => Self::forbidden(detail),
            AuthError::QueryNotUtf8 => Self::malformed(detail),
            _ => Self::unauthenticated(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::scope::Scope;

    #[test]
    fn a_problem_is_what_rfc_9457_says() {
        let error = FieldProblem::new("touser", "is missing");
        let json = serde_json::to_value(Problem::invalid_message(vec![error])).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "/docs/errors#invalid_message",
                "title": "The message is not valid",
                "status": 422,
                "detail": "touser: is missing",
                "code": "invalid_message",
                "errors": [{"field": "touser", "problem": "is missing"}],
            })
        );
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        for (millis, header) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2")] {
            let response =
                Problem::unavailable("busy", Duration::from_millis(millis)).into_response();
            assert_eq!(response.headers()[RETRY_AFTER], header, "{millis}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.status(), 503);
        }
    }

    #[test]
    fn refusals_of_authentication_have_their_codes() {
        for (error, status, code) in [
            (AuthError::Refused, 401, "unauthenticated"),
            (
                AuthError::Stale { server_seconds: 1 },
                401,
                "unauthenticated",
            ),
            (AuthError::Replayed, 401, "unauthenticated"),
            (AuthError::QueryNotUtf8, 400, "malformed"),
            (AuthError::ScopeMissing(Scope::Token), 403, "forbidden"),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status, problem.code), (status, code));
            let challenge = problem
                .into_response()
                .headers()
                .contains_key(WWW_AUTHENTICATE);
            assert_eq!(challenge, status == 401);
        }
    }
}
