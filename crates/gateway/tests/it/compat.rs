//! `/cgi-bin/…`: WeChat's calls in WeChat's shapes, as an SDK makes them.

mod keep_out;
mod relay;
mod send;
mod table;
mod token;

use http::Method;
use serde_json::Value;

use crate::harness::{APPID, CLIENT_SECRET, Call, TestGateway, get, post};

const SEND: &str = "/cgi-bin/message/template/send";
/// A template that an account lists.
pub(crate) const LISTED: &str = "mQ1listedtemplatexxxxxxxxxxxxxxxxxxxxxxxxxx";

/// An answer of WeChat's shape, whatever it says.
async fn said(gateway: &TestGateway, call: Call) -> Value {
    let reply = gateway.call(call.unsigned()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let shape = "application/json; encoding=utf-8";
    assert_eq!(reply.headers["content-type"], shape);
    reply.json()
}

fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or(0)
}

/// Where an SDK asks for a token.
pub(crate) fn grant_path(appid: &str, secret: &str) -> String {
    format!("/cgi-bin/token?grant_type=client_credential&appid={appid}&secret={secret}")
}

/// A token as an SDK gets it.
async fn token(gateway: &TestGateway) -> String {
    let granted = said(gateway, get(&grant_path(APPID, CLIENT_SECRET))).await;
    granted["access_token"].as_str().unwrap().to_owned()
}

/// A call with a token, as an SDK makes it: a POST without a content type.
async fn posted(gateway: &TestGateway, path: &str, token: &str, body: &Value) -> Value {
    said(gateway, post(&format!("{path}?access_token={token}"), body)).await
}

async fn got(gateway: &TestGateway, path: &str, token: &str) -> Value {
    let and = if path.contains('?') { '&' } else { '?' };
    said(gateway, get(&format!("{path}{and}access_token={token}"))).await
}

fn raw(method: Method, path: &str, body: &str) -> Call {
    Call::new(method, path, body.to_owned())
}
