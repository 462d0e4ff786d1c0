//! What a call is written down as, taken from its path, its query and its body.
//! It must not write anything down: that is done in the transaction that does what was asked for.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, RawPathParams};
use hongyan_courier::UnixMs;
use hongyan_courier::audit::{Act, mark};
use hongyan_courier::message::AccountName;
use http::request::Parts;
use serde_json::{Map, Value, json};

use crate::api::access::Line;
use crate::api::query::Query;
use crate::auth::client::Identity;
use crate::telemetry::trace::TraceId;

/// What is longer is not written down but for its length.
const DETAILS_BYTES_MAX: usize = 1024;

/// What a caller asks for by a call of this line, if that is written down.
pub(super) async fn of(
    parts: &mut Parts,
    body: &[u8],
    (line, caller, from): (&Line, &Identity, Option<IpAddr>),
    at: UnixMs,
) -> Option<Box<Act>> {
    let what = line.noted?.to_owned();
    let mut act = Act {
        at,
        who: caller.client.to_string(),
        from: from.map(|from| from.to_string()),
        what,
        account: None,
        subject: None,
        recipient: None,
        details: if line.whole { details(body) } else { None },
        trace_id: parts.extensions.get().map(TraceId::to_string),
    };
    let of_account = line.path.starts_with("/v1/accounts/");
    if let Ok(named) = RawPathParams::from_request_parts(parts, &()).await {
        for (name, value) in &named {
            match name {
                "openid" => act.recipient = Some(mark(value)),
                "name" if of_account => act.account = Some(AccountName::from(value)),
                _ => act.subject = Some(value.to_owned()),
            }
        }
    }
    if let Ok(mut query) = Query::read(&parts.uri)
        && let Ok(Some(account)) = query.text("account")
    {
        act.account = Some(AccountName::from(account.as_str()));
    }
    Some(Box::new(act))
}

/// A body as it is, or its length if that is too long; but for an openid in it, and for free words, which may be about somebody
/// who wants to be forgotten.
pub fn details(body: &[u8]) -> Option<String> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    if let Some(Value::String(openid)) = fields.get_mut("touser") {
        *openid = mark(openid);
    }
    fields.remove("note");
    if fields.is_empty() {
        return None;
    }
    let text = Value::Object(fields).to_string();
    Some(match text.len() {
        length if length > DETAILS_BYTES_MAX => json!({"length": length}).to_string(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_small_and_hold_no_openid() {
        assert_eq!(details(b""), None);
        assert_eq!(details(b"{}"), None);
        assert_eq!(details(b"[1]"), None);
        assert_eq!(
            details(br#"{"force": true}"#).as_deref(),
            Some(r#"{"force":true}"#)
        );
        let of_one = details(br#"{"touser":"oOne"}"#).unwrap();
        assert!(
            !of_one.contains("oOne") && of_one.contains(&mark("oOne")),
            "{of_one}"
        );
        let padded = format!("{{\"force\":true{}}}", " ".repeat(DETAILS_BYTES_MAX));
        assert_eq!(details(padded.as_bytes()).unwrap(), r#"{"force":true}"#);
        let long = format!("{{\"content\":\"{}\"}}", "x".repeat(DETAILS_BYTES_MAX));
        let told = format!("{{\"length\":{}}}", long.len());
        assert_eq!(details(long.as_bytes()), Some(told));
        assert_eq!(details(br#"{"note":"a friend of mine"}"#), None);
    }
}
