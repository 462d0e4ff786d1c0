//! The operator's client against a real listener that checks signatures as the gateway does.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request as AxumRequest;
use axum::response::IntoResponse;
use hongyan_courier::time::UnixMs;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::api::error::Problem;
use crate::auth::authenticator::Authenticator;
use crate::auth::bearer::Issuers;
use crate::auth::client::{ClientKeys, Clients};
use crate::auth::scope::ScopeSet;
use crate::cli::gateway::CallerArgs;

fn args(url: String, secret: &str) -> GatewayArgs {
    let caller = CallerArgs {
        client_id: Some("ops".to_owned()),
        client_secret: Some(SecretString::from(secret)),
    };
    GatewayArgs { url, caller }
}

async fn handle(
    authenticator: Arc<Authenticator>,
    now: UnixMs,
    request: AxumRequest,
) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    match authenticator.read(&parts, &body, now) {
        Ok(identity) => {
            axum::Json(json!({"client": &*identity.client, "bytes": body.len()})).into_response()
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Runs the calls against a gateway of one route; the listener ends with them.
async fn with_gateway<T>(calls: impl AsyncFnOnce(String) -> T) -> T {
    let keys = ClientKeys {
        id: "ops".to_owned(),
        secrets: vec!["right".into()],
        scopes: ScopeSet::default(),
        reach: Default::default(),
    };
    let authenticator = Arc::new(Authenticator::new(
        Clients::new(&[keys]),
        Issuers::default(),
        Arc::default(),
    ));
    let now = SystemClock::new().wall();
    let router = Router::new().fallback(move |request| handle(authenticator.clone(), now, request));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::select! {
        result = calls(url) => result,
        _ = axum::serve(listener, router) => panic!("the listener ended"),
    }
}

#[tokio::test]
async fn calls_are_signed_as_the_gateway_expects() {
    with_gateway(async |url| {
        let client = GatewayClient::new(&args(url, "right")).unwrap();
        let expected = json!({"client": "ops", "bytes": 0});
        assert_eq!(
            client
                .get("/v1/messages?status=failed&account=a%20b")
                .await
                .unwrap(),
            expected
        );
        assert_eq!(
            client.post("/v1/messages", &json!({"a": 1})).await.unwrap()["bytes"],
            7
        );
    })
    .await;
}

#[tokio::test]
async fn a_problem_becomes_one_line() {
    with_gateway(async |url| {
        let client = GatewayClient::new(&args(url, "wrong")).unwrap();
        let error = client.get("/v1/accounts").await.unwrap_err().to_string();
        assert_eq!(error, "the client is unknown or the signature does not match the request [unauthenticated, trace ]");
    })
    .await;
    let many = json!({"detail": "2 fields are wrong", "code": "invalid_message", "trace_id": "ab",
        "errors": [{"field": "touser", "problem": "is missing"}, {"field": "data", "problem": "is empty"}]});
    assert_eq!(
        one_line(StatusCode::UNPROCESSABLE_ENTITY, &many, Lang::Zh),
        "2 fields are wrong: touser: is missing; data: is empty [invalid_message, trace ab]"
    );
    let page = read_answer(StatusCode::BAD_GATEWAY, b"<html>")
        .unwrap_err()
        .to_string();
    assert!(
        page.contains("502") && page.contains("check the URL"),
        "{page}"
    );
}

#[test]
fn what_is_wrong_with_a_field_is_said_in_the_language_of_its_reader() {
    let late = json!({"field": "send_at", "problem": "is more than a year ahead", "problem_zh": "比现在晚一年以上"});
    let missing = json!({"field": "touser", "problem": "is missing"});
    for (detail, errors, english, chinese) in [
        (
            "send_at: is more than a year ahead",
            json!([late]),
            "send_at: is more than a year ahead [invalid_message, trace ab]",
            "send_at: 比现在晚一年以上 [invalid_message, trace ab]",
        ),
        (
            "2 fields are wrong",
            json!([missing, late]),
            "2 fields are wrong: touser: is missing; send_at: is more than a year ahead [invalid_message, trace ab]",
            "2 个字段有误：touser: is missing；send_at: 比现在晚一年以上 [invalid_message, trace ab]",
        ),
    ] {
        let body = json!({"detail": detail, "code": "invalid_message", "trace_id": "ab", "errors": errors});
        let error = read_answer(
            StatusCode::UNPROCESSABLE_ENTITY,
            body.to_string().as_bytes(),
        );
        let error = error.unwrap_err().context("line 3");
        assert_eq!(said(&error, Lang::En), format!("line 3: {english}"));
        assert_eq!(said(&error, Lang::Zh), format!("line 3: {chinese}"));
    }
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = GatewayClient::new(&args(url.clone(), "right"))
        .unwrap()
        .get("/v1/accounts")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), format!("{url} cannot be reached"));
}

#[test]
fn what_the_gateway_says_is_waited_for() {
    let longest_wait = Duration::from_secs(30);
    let longest = REFRESH_TIMEOUT.max(longest_wait);
    assert!(CALL_TIMEOUT >= longest + Duration::from_secs(10));
}
