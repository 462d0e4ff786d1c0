//! Answers in WeChat's shape: HTTP 200 whatever happened, `errcode`, `errmsg`, and a request id at the end of a refusal.
//! It must not know any call.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hongyan_courier::time::UnixMs;
use hongyan_wechat::error::ApiError;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::telemetry::trace::TraceId;

/// As WeChat writes it.
const JSON: HeaderValue = HeaderValue::from_static("application/json; encoding=utf-8");

/// What a call comes to, if it is not refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// `errcode` 0 and nothing else.
    Done,
    /// A message that WeChat took, or that is stored and has a number of its own.
    Sent { msgid: Option<i64> },
    /// A token.
    Granted { token: String, expires_in: u64 },
    /// WeChat's own answer.
    Relayed(Bytes),
}

/// What is answered instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub errcode: i64,
    pub errmsg: Cow<'static, str>,
    /// Where the words are WeChat's, so is the request id in them.
    by_wechat: bool,
}

impl Refusal {
    /// In this gateway's name.
    pub fn new(errcode: i64, errmsg: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errcode,
            errmsg: errmsg.into(),
            by_wechat: false,
        }
    }

    /// In WeChat's words.
    pub fn by_wechat(errcode: i64, errmsg: String) -> Self {
        Self {
            errcode,
            errmsg: errmsg.into(),
            by_wechat: true,
        }
    }
}

impl From<&ApiError> for Refusal {
    fn from(error: &ApiError) -> Self {
        Self::by_wechat(error.code, error.errmsg.clone())
    }
}

#[derive(Serialize)]
struct Code<'a> {
    errcode: i64,
    errmsg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<i64>,
}

#[derive(Serialize)]
struct Grant<'a> {
    access_token: &'a str,
    expires_in: u64,
}

/// Writes an answer. `wall` and `trace` make the request id of a refusal: its first group is the time, the others find the
/// request in the gateway's log.
pub fn written(outcome: Result<Answer, Refusal>, wall: UnixMs, trace: TraceId) -> Response {
    let ok = |msgid| {
        let errmsg = "ok";
        json(&Code {
            errcode: 0,
            errmsg,
            msgid,
        })
    };
    let body = match outcome {
        Ok(Answer::Done) => ok(None),
        Ok(Answer::Sent { msgid }) => ok(msgid),
        Ok(Answer::Granted { token, expires_in }) => json(&Grant {
            access_token: &token,
            expires_in,
        }),
        Ok(Answer::Relayed(body)) => body,
        Err(refusal) => {
            let errmsg = if refusal.by_wechat {
                refusal.errmsg
            } else {
                format!("{} rid: {}", refusal.errmsg, rid(wall, trace)).into()
            };
            json(&Code {
                errcode: refusal.errcode,
                errmsg: &errmsg,
                msgid: None,
            })
        }
    };
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn rid(wall: UnixMs, trace: TraceId) -> String {
    let trace = trace.to_string();
    let seconds = wall.0.div_euclid(1000);
    format!("{seconds:08x}-{}-{}", &trace[..8], &trace[8..16])
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value)
        .expect("strings and numbers are JSON")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text(outcome: Result<Answer, Refusal>) -> String {
        let trace = TraceId::random();
        let response = written(outcome, UnixMs(0x64e5_d2d0_i64 * 1000), trace);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], JSON);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let trace = trace.to_string();
        text.replace(&format!("{}-{}", &trace[..8], &trace[8..16]), "TRACE")
    }

    #[tokio::test]
    async fn answers_have_wechats_shape() {
        let sent = |msgid| Ok(Answer::Sent { msgid });
        assert_eq!(
            text(Ok(Answer::Done)).await,
            r#"{"errcode":0,"errmsg":"ok"}"#
        );
        assert_eq!(text(sent(None)).await, r#"{"errcode":0,"errmsg":"ok"}"#);
        assert_eq!(
            text(sent(Some(3_717_005_636_572_528_642))).await,
            r#"{"errcode":0,"errmsg":"ok","msgid":3717005636572528642}"#
        );
        let granted = Answer::Granted {
            token: "hy1_x".into(),
            expires_in: 7200,
        };
        assert_eq!(
            text(Ok(granted)).await,
            r#"{"access_token":"hy1_x","expires_in":7200}"#
        );
        assert_eq!(
            text(Err(Refusal::new(40003, "invalid openid"))).await,
            r#"{"errcode":40003,"errmsg":"invalid openid rid: 64e5d2d0-TRACE"}"#
        );
        let said = Refusal::by_wechat(43004, "require subscribe rid: 1-2-3".into());
        assert_eq!(
            text(Err(said)).await,
            r#"{"errcode":43004,"errmsg":"require subscribe rid: 1-2-3"}"#
        );
    }
}
