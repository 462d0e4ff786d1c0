//! The account's central token.

use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TestGateway, message, openid};

const TOKEN: &str = "/v1/accounts/clinic/token";

async fn ready(gateway: &TestGateway) {
    gateway
        .until_reply("/v1/accounts", "ok", |list| {
            list["accounts"][0]["state"] == "ok"
        })
        .await;
}

#[tokio::test]
async fn a_token_is_masked_unless_it_is_asked_for() {
    let gateway = TestGateway::start().await;
    ready(&gateway).await;
    let masked = gateway.get(TOKEN).await.json();
    let shown = masked["access_token"].as_str().unwrap();
    assert!(
        shown.ends_with('…') && shown.chars().count() == 7,
        "{shown}"
    );
    let revealed = gateway.get(&format!("{TOKEN}?reveal=true")).await.json();
    let token = revealed["access_token"].as_str().unwrap();
    assert!(token.starts_with(shown.trim_end_matches('…')) && token.len() > 20);
    assert!(
        revealed["expires_in"]
            .as_u64()
            .is_some_and(|left| left > 7000)
    );
    gateway
        .get("/v1/accounts/other/token")
        .await
        .problem(404, "not_found");
    gateway
        .get(&format!("{TOKEN}?reveal=yes"))
        .await
        .problem(400, "malformed");
    gateway.finish().await;
}

#[tokio::test]
async fn revealing_needs_the_scope() {
    let settings = Settings {
        scopes: vec!["accounts"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    ready(&gateway).await;
    assert_eq!(gateway.get(TOKEN).await.status, 200);
    gateway
        .get(&format!("{TOKEN}?reveal=true"))
        .await
        .problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_can_be_refreshed() {
    let gateway = TestGateway::start().await;
    ready(&gateway).await;
    let reveal = async || {
        let token = gateway.get(&format!("{TOKEN}?reveal=true")).await.json();
        token["access_token"].as_str().unwrap().to_owned()
    };
    let before = reveal().await;
    let refreshed = gateway.post(&format!("{TOKEN}/refresh"), &json!({})).await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(reveal().await, before);
    assert_eq!(
        gateway.sim.calls().fetches(),
        1,
        "the one that was just fetched is as good"
    );
    // WeChat forces at most every 30 s, and the gateway has not forced yet.
    let forced = gateway
        .post(&format!("{TOKEN}/refresh"), &json!({"force": true}))
        .await;
    assert_eq!(forced.status, 200, "{forced:?}");
    assert_eq!(gateway.sim.calls().forced, 1);
    let too_soon = gateway
        .post(&format!("{TOKEN}/refresh"), &json!({"force": true}))
        .await;
    assert!(too_soon.problem(429, "rate_limited").contains("30 seconds"));
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_that_still_serves_says_what_is_wrong_with_its_account() {
    let gateway = TestGateway::start().await;
    ready(&gateway).await;
    assert_eq!(gateway.get(TOKEN).await.json()["detail"], Value::Null);
    assert!(gateway.sim.set_secret(APPID, "another-app-secret"));
    let refresh = format!("{TOKEN}/refresh");
    let refused = gateway.post(&refresh, &json!({"force": true})).await;
    refused.problem(503, "unavailable");
    let token = gateway
        .until_reply(TOKEN, "its detail", |token| token["detail"].is_string())
        .await;
    assert!(token["detail"].as_str().unwrap().contains("AppSecret"));
    assert_eq!(token["usable"], true);
    gateway.finish().await;
}

/// A gateway whose account was stopped for its secret.
async fn stopped() -> TestGateway {
    let settings = Settings {
        secret: "wrong".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    gateway.until_stopped().await;
    gateway
}

#[tokio::test]
async fn who_asks_again_right_after_a_fetch_in_vain_is_told_when() {
    let gateway = stopped().await;
    let refused = gateway.post(&format!("{TOKEN}/refresh"), &json!({})).await;
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&wait), "{wait} s");
    assert!(refused.problem(429, "rate_limited").contains("in vain"));
    gateway.finish().await;
}

#[tokio::test]
async fn what_waits_for_a_token_tells_when_one_is_asked_for_again() {
    let gateway = stopped().await;
    let id = gateway.send(&message(&openid(1))).await;
    let waiting = gateway.get(&format!("/v1/messages/{id}")).await.json();
    let at = |key: &str| -> jiff::Timestamp { waiting[key].as_str().unwrap().parse().unwrap() };
    let ahead = at("next_attempt_at").duration_since(at("created_at"));
    assert!(ahead.is_positive(), "{waiting}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_revoked_token_is_fetched_once_for_all_in_flight() {
    let gateway = TestGateway::start().await;
    ready(&gateway).await;
    let before = gateway.sim.calls().fetches();
    gateway.sim.revoke_tokens(APPID);
    let messages: Vec<Value> = (0..300).map(|number| message(&openid(number))).collect();
    let reply = gateway
        .post("/v1/messages/batch", &json!({"messages": messages}))
        .await
        .json();
    for result in reply["results"].as_array().unwrap() {
        let message = gateway.until(result["id"].as_str().unwrap(), "sent").await;
        assert_eq!(message["reason"], Value::Null);
    }
    assert_eq!(gateway.sim.calls().fetches() - before, 1);
    assert!(gateway.sim.seen_counts().values().all(|count| *count == 1));
    gateway.finish().await;
}
