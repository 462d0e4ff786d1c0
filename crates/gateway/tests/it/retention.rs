//! Keeping and forgetting: what ended is there for as long as the configuration says for its status, and then it is not.

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::Mode;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::harness::{Settings, TestGateway, get, message, openid};

/// As if everything that ended had done so three days earlier.
fn age(gateway: &TestGateway) {
    let conn = rusqlite::Connection::open(gateway.database()).unwrap();
    let sql = "UPDATE messages SET ended_at = ended_at - 3 * 86400000 WHERE ended_at IS NOT NULL";
    assert_eq!(conn.execute(sql, []).unwrap(), 2);
}

#[tokio::test]
async fn messages_are_forgotten_by_where_they_ended() {
    let mut gateway = TestGateway::with(Settings {
        sections: "[retention]\nmessages = \"30d\"\ndelivered = \"2d\"\n".to_owned(),
        ..Settings::receipts(Mode::Plain)
    })
    .await;
    let delivered = gateway.send(&message(&openid(1))).await;
    gateway.until(&delivered, "delivered").await;
    let mut later = message(&openid(2));
    let tomorrow = SystemClock::new().wall().0 + 86_400_000;
    let tomorrow = Timestamp::from_millisecond(tomorrow).unwrap();
    later["send_at"] = json!(tomorrow.to_string());
    let cancelled = gateway.send(&later).await;
    let path = format!("/v1/messages/{cancelled}");
    gateway.post(&format!("{path}/cancel"), &json!({})).await;
    gateway.until(&cancelled, "cancelled").await;
    gateway.down().await;
    age(&gateway);
    gateway.up().await;
    let gone = format!("/v1/messages/{delivered}");
    let absent = |answer: &serde_json::Value| answer["code"] == "not_found";
    gateway.until_reply(&gone, "its end", absent).await;
    assert_eq!(gateway.get(&gone).await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.get(&path).await.json()["status"], "cancelled");
    let reply = gateway.call(get("/metrics").unsigned()).await;
    let metrics = reply.text();
    assert!(
        metrics.contains("hongyan_pruned_total{what=\"messages\"}"),
        "{metrics}"
    );
    gateway.finish().await;
}
