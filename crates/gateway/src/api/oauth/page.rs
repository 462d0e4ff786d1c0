//! What goes wrong while a user is on the way, as a page for a person in English and Chinese, or as a problem for a program.
//! It must not repeat anything that a browser brought.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::api::error::Problem;

/// Why a user gets no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The account has no web authorisation.
    Unknown,
    /// The address to come back to is missing, or not allowed.
    Redirect,
    /// The program's own state is too long.
    CallerState,
    /// Begun in another browser, too long ago, or used already.
    Stale,
    /// WeChat or the store cannot be asked.
    Away,
    /// This address comes, or fails, too often.
    TooMany(Duration),
}

/// How long a person had better wait.
const PAUSE: Duration = Duration::from_secs(30);

impl Refusal {
    /// As a metric has it.
    pub(super) fn result(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Redirect | Self::CallerState => "refused",
            Self::Stale => "stale",
            Self::Away => "unavailable",
            Self::TooMany(_) => "rate_limited",
        }
    }

    pub(super) fn answer(self, headers: &HeaderMap) -> Response {
        let problem = self.problem();
        let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        if !accepted.is_some_and(|accept| accept.contains("text/html")) {
            return problem.into_response();
        }
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = [
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
                ),
            ),
        ];
        (status, headers, self.page()).into_response()
    }

    fn problem(self) -> Problem {
        match self {
            Self::Unknown => Problem::not_found("this account has no web authorisation"),
            Self::Redirect => Problem::malformed(
                "redirect is missing, or not one of the addresses that are allowed for this account",
            ),
            Self::CallerState => Problem::malformed("state is longer than 256 bytes"),
            Self::Stale => Problem::malformed(
                "this was begun in another browser, too long ago, or is over already; begin again",
            ),
            Self::Away => Problem::unavailable("WeChat cannot be asked at present", PAUSE),
            Self::TooMany(wait) => {
                Problem::rate_limited("this address comes, or fails, too often", wait)
            }
        }
    }

    fn page(self) -> String {
        let (chinese, english) = match self {
            Self::Unknown => (
                "此公众号没有开通网页授权。",
                "This account has no web authorisation.",
            ),
            Self::Redirect => (
                "返回地址不在允许的范围内。请联系网站管理员。",
                "The address to return to is not allowed. Please tell the site's administrator.",
            ),
            Self::CallerState => (
                "请求参数 state 过长。请联系网站管理员。",
                "The parameter state is too long. Please tell the site's administrator.",
            ),
            Self::Stale => (
                "此次授权已失效，或是在另一个浏览器中发起的。请返回后重试。",
                "This was begun in another browser, too long ago, or is over already. Please go back and try again.",
            ),
            Self::Away => (
                "暂时无法联系微信。请稍后重试。",
                "WeChat cannot be reached at the moment. Please try again in a while.",
            ),
            Self::TooMany(_) => (
                "操作过于频繁。请稍后重试。",
                "That was too often. Please try again in a while.",
            ),
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>微信网页授权</title>\
             <style>body{{font:16px/1.6 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}}</style></head>\
             <body><p>{chinese}</p><p lang=\"en\">{english}</p></body></html>\n"
        )
    }
}
