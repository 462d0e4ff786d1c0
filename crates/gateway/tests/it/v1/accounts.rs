//! `GET /v1/accounts`: what an operator reads when an account stands still, and how it goes on by itself.

use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TestGateway, message, openid};

fn first(list: &Value) -> &Value {
    &list["accounts"][0]
}

#[tokio::test]
async fn an_account_that_is_well_says_so() {
    let gateway = TestGateway::start().await;
    let list = gateway
        .until_reply("/v1/accounts", "ok", |list| first(list)["state"] == "ok")
        .await;
    let account = first(&list);
    assert_eq!(
        (&account["name"], &account["appid"]),
        (&json!("clinic"), &json!(APPID))
    );
    assert_eq!(
        (&account["receipts"], &account["callback_mode"]),
        (&json!("none"), &json!("plain"))
    );
    assert_eq!(account["token"]["usable"], true);
    assert_eq!(
        (&account["detail"], &account["flags"]),
        (&Value::Null, &json!([]))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_wrong_secret_stops_the_account_alone_until_it_is_fixed() {
    let settings = Settings {
        secret: "wrong".to_owned(),
        others: vec![("school", "wx00000000000000bb")],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let list = gateway
        .until_reply("/v1/accounts", "stopped", |list| {
            first(list)["state"] == "stopped"
        })
        .await;
    let detail = first(&list)["detail"].as_str().unwrap();
    assert!(detail.contains("AppSecret"), "{detail}");
    let ready = gateway.get("/health/ready").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["status"]),
        (200, &json!("degraded"))
    );
    assert_eq!(ready.json()["degraded"][0]["part"], "account:clinic");

    let mut body = message(&openid(1));
    body["account"] = json!("clinic");
    let waiting = gateway.send(&body).await;
    body["account"] = json!("school");
    let sent = gateway.send(&body).await;
    gateway.until(&sent, "sent").await;
    assert_eq!(
        gateway.until(&waiting, "queued").await["attempts"],
        json!([])
    );

    // WeChat's side is set right: the next probe finds it.
    assert!(gateway.sim.set_secret(APPID, "wrong"));
    gateway.until(&waiting, "sent").await;
    gateway
        .until_reply("/v1/accounts", "ok", |list| first(list)["state"] == "ok")
        .await;
    gateway.finish().await;
}

#[tokio::test]
async fn an_address_that_is_not_on_the_whitelist_is_named() {
    let gateway = TestGateway::with(Settings::default()).await;
    gateway
        .until_reply("/v1/accounts", "ok", |list| first(list)["state"] == "ok")
        .await;
    gateway
        .sim
        .set_whitelist(APPID, Some(vec!["192.0.2.1".parse().unwrap()]));
    gateway.sim.revoke_tokens(APPID);
    let waiting = gateway.send(&message(&openid(1))).await;
    let list = gateway
        .until_reply("/v1/accounts", "stopped", |list| {
            first(list)["state"] == "stopped"
        })
        .await;
    let detail = first(&list)["detail"].as_str().unwrap();
    assert!(detail.contains("127.0.0.1"), "{detail}");
    gateway.sim.set_whitelist(APPID, None);
    gateway.until(&waiting, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_refused_recipient_is_flagged() {
    let gateway = TestGateway::start().await;
    gateway.sim.fault("code=43004".parse().unwrap());
    let id = gateway.send(&message(&openid(1))).await;
    assert_eq!(
        gateway.until(&id, "failed").await["reason"],
        "not_subscribed"
    );
    let list = gateway.get("/v1/accounts").await.json();
    let flag = &first(&list)["flags"][0];
    assert_eq!(
        (&flag["subject"], &flag["key"]),
        (&json!("recipient"), &json!(openid(1)))
    );
    assert_eq!(
        (&flag["reason"], &flag["errcode"]),
        (&json!("not_subscribed"), &json!(43004))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_token_that_comes_again_does_not_hide_a_spent_quota() {
    let gateway = TestGateway::start().await;
    let state = async |wanted: &str| {
        let is_so = |list: &Value| first(list)["state"] == wanted;
        let list = gateway.until_reply("/v1/accounts", wanted, is_so).await;
        first(&list)["detail"].to_string()
    };
    state("ok").await;
    gateway.sim.fault("code=45009".parse().unwrap());
    gateway.send(&message(&openid(1))).await;
    assert!(state("degraded").await.contains("does not take"));
    // The token is revoked while the secret is wrong: whoever uses it notices.
    assert!(gateway.sim.set_secret(APPID, "another-app-secret"));
    assert!(gateway.sim.revoke_tokens(APPID));
    let listed = gateway.post("/v1/templates/sync", &json!({})).await;
    listed.problem(503, "unavailable");
    assert!(state("stopped").await.contains("AppSecret"));
    assert!(gateway.sim.set_secret(APPID, &Settings::default().secret));
    assert!(state("degraded").await.contains("does not take"));
    gateway.finish().await;
}
