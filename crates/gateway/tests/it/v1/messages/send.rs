//! The main job, from the call to its end, also across a restart.

use hongyan_wechat::callback::Mode;
use hongyan_wechat_sim::ReceiptPolicy;
use serde_json::{Value, json};

use crate::harness::{Settings, TestGateway, message, openid};

#[tokio::test]
async fn a_message_is_delivered() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let mut body = message(&openid(1));
    body["reference"] = json!("order-42");
    body["url"] = json!("https://example.com/orders/42");
    let reply = gateway.post("/v1/messages", &body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let accepted = reply.json();
    assert!(
        matches!(accepted["status"].as_str(), Some("queued" | "sending")),
        "{accepted}"
    );
    assert_eq!(accepted.get("warnings"), None);

    let message = gateway
        .until(accepted["id"].as_str().unwrap(), "delivered")
        .await;
    assert_eq!(message["reason"], Value::Null);
    assert_eq!(message["reference"], "order-42");
    assert_eq!(message["account"], "clinic");
    assert_eq!(message["url"], "https://example.com/orders/42");
    assert_eq!(message["data"], json!({"thing1": {"value": "你好"}}));
    assert_eq!(message["receipt"]["status"], "success");
    assert_eq!(message["next_attempt_at"], Value::Null);
    let msgid = message["msgid"].as_str().expect("a msgid is text");
    assert!(
        msgid.len() == 19 && msgid.bytes().all(|b| b.is_ascii_digit()),
        "{msgid}"
    );
    let attempts = message["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        (&attempts[0]["errcode"], &attempts[0]["errmsg"]),
        (&json!(0), &json!("ok"))
    );
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn without_receipts_a_message_ends_at_sent() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    let message = gateway.until(&id, "sent").await;
    assert_eq!(message["receipt"], Value::Null);
    gateway.finish().await;
}

#[tokio::test]
async fn a_refusal_ends_a_message_with_its_reason() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message("not-an-openid")).await;
    let message = gateway.until(&id, "failed").await;
    assert_eq!(message["reason"], "invalid_openid");
    assert_eq!(message["attempts"][0]["errcode"], 40003);
    assert!(message["attempts"][0]["rid"].is_string());
    gateway.finish().await;
}

#[tokio::test]
async fn a_failed_receipt_fails_the_message() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    gateway.sim.set_receipts(ReceiptPolicy {
        user_block: 1.0,
        ..ReceiptPolicy::default()
    });
    let id = gateway.send(&message(&openid(1))).await;
    let message = gateway.until(&id, "failed").await;
    assert_eq!(message["reason"], "user_blocked");
    assert_eq!(message["receipt"]["status"], "failed:user block");
    gateway.finish().await;
}

#[tokio::test]
async fn legacy_fields_are_dropped_and_dead_keys_warned_of() {
    let gateway = TestGateway::start().await;
    let body = json!({
        "touser": openid(1), "template_id": crate::harness::TEMPLATE, "url": "", "miniprogram": {},
        "topcolor": "#FF0000", "color": "#173177",
        "data": {"first": {"value": "hello", "color": "#173177"}, "number1": {"value": 42}},
    });
    let reply = gateway.post("/v1/messages", &body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let warnings = reply.json()["warnings"].clone();
    assert_eq!(
        warnings,
        json!([
            "data.first: WeChat no longer shows this key and drops it（微信不再显示该字段，会将其丢弃）"
        ])
    );
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let message = gateway.until(&id, "sent").await;
    assert_eq!(
        message["data"],
        json!({"first": {"value": "hello"}, "number1": {"value": "42"}})
    );
    assert_eq!(
        (&message["url"], &message["miniprogram"]),
        (&Value::Null, &Value::Null)
    );
    gateway.finish().await;
}

#[tokio::test]
async fn the_content_type_does_not_matter() {
    let gateway = TestGateway::start().await;
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let call = crate::harness::post("/v1/messages", &message(&openid(1)))
            .header("content-type", content_type);
        assert_eq!(gateway.call(call).await.status, 202, "{content_type}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn messages_outlive_a_restart() {
    let mut gateway = TestGateway::start().await;
    let mut later = message(&openid(1));
    later["send_at"] = json!("2099-01-01T00:00:00Z");
    assert_eq!(
        gateway.post("/v1/messages", &later).await.status,
        422,
        "more than a year ahead"
    );
    let soon = jiff_soon(60);
    later["send_at"] = json!(soon);
    let waiting = gateway.send(&later).await;
    let sent = gateway.send(&message(&openid(2))).await;
    gateway.until(&sent, "sent").await;

    gateway.restart().await;
    let message_after = gateway.until(&waiting, "queued").await;
    assert_eq!(message_after["send_at"], message_after["next_attempt_at"]);
    assert_eq!(
        gateway.until(&sent, "sent").await["attempts"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let third = gateway.send(&message(&openid(3))).await;
    gateway.until(&third, "sent").await;
    assert_eq!(gateway.sim.seen(&openid(2)).len(), 1);
    gateway.finish().await;
}

/// A time so many seconds from now.
fn jiff_soon(seconds: i64) -> String {
    let now = hongyan_gateway::clock::SystemClock::new().wall();
    jiff::Timestamp::from_millisecond(now.0 + seconds * 1000)
        .unwrap()
        .to_string()
}
