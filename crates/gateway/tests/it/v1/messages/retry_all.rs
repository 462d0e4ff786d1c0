//! `POST /v1/messages/retry`: many at once, by filter and at a rate.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{TestGateway, message, openid};
use crate::v1::broadcasts::{file, order, piece};

async fn failed(gateway: &TestGateway, count: usize) -> Vec<String> {
    let fault = format!("code=47003:first={count}");
    gateway.sim.fault(fault.parse().unwrap());
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(gateway.send(&message(&openid(n))).await);
    }
    for id in &ids {
        gateway.until(id, "failed").await;
    }
    ids
}

fn due(message: &Value) -> jiff::Timestamp {
    message["next_attempt_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn what_failed_is_sent_again_at_the_rate_that_was_asked_for() {
    let gateway = TestGateway::start().await;
    let ids = failed(&gateway, 3).await;
    let reason = gateway
        .get(&format!("/v1/messages/{}", ids[0]))
        .await
        .json()["reason"]
        .clone();
    let wish = json!({"reason": reason, "rate": 0.01});
    let done = gateway.post("/v1/messages/retry", &wish).await;
    assert_eq!(done.status, 202, "{done:?}");
    let done = done.json();
    assert_eq!(
        (&done["retried"], &done["skipped"]),
        (&json!(3), &json!({}))
    );
    assert_eq!(done["next_cursor"], Value::Null);
    // Newest first: the last one goes at once, the others a hundred seconds apart.
    gateway.until(&ids[2], "sent").await;
    let mut waiting = Vec::new();
    for id in &ids[..2] {
        let message = gateway.get(&format!("/v1/messages/{id}")).await.json();
        assert_eq!(message["status"], "queued");
        waiting.push(due(&message));
    }
    assert_eq!(waiting[0].duration_since(waiting[1]).as_secs(), 100);
    let again = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!(again["retried"], 0, "what is queued is not found any more");
    gateway.finish().await;
}

#[tokio::test]
async fn a_call_with_a_limit_goes_on_at_its_cursor_without_a_jump_in_the_rate() {
    let gateway = TestGateway::start().await;
    let ids = failed(&gateway, 2).await;
    let mut wish = json!({"code": 47003, "rate": 0.01, "limit": 1});
    let first = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!(first["retried"], 1);
    wish["cursor"] = first["next_cursor"].clone();
    let second = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!(second["retried"], 1, "{second}");
    let at = |done: &Value| -> jiff::Timestamp {
        done["last_due_at"].as_str().unwrap().parse().unwrap()
    };
    assert_eq!(at(&second).duration_since(at(&first)).as_secs(), 100);
    gateway.until(&ids[1], "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_wish_that_would_send_everything_or_nothing_is_refused() {
    let gateway = TestGateway::start().await;
    for (wish, why) in [
        (json!({}), "give at least one of"),
        (
            json!({"status": "unconfirmed", "account": "clinic"}),
            "one by one",
        ),
        (json!({"account": "clinic", "rate": 0}), "rate must be"),
        (
            json!({"account": "clinic", "limit": 10_001}),
            "limit must be",
        ),
        (json!({"account": "clinic", "cursor": "x"}), "cursor"),
        (
            json!({"account": "clinic", "reason": "x"}),
            "reason must be one of",
        ),
        (json!({"account": "clinic", "since": "now"}), "RFC 3339"),
        (json!({"ended_since": "now"}), "ended_since must be"),
        (
            json!({"until": "2027-01-01T00:00:00Z"}),
            "ended_since: else",
        ),
        (json!({"broadcast": "x"}), "broadcast is"),
        (json!({"acount": "clinic"}), "unknown field"),
    ] {
        let refused = gateway.post("/v1/messages/retry", &wish).await;
        let detail = refused.problem(400, "malformed");
        assert!(detail.contains(why), "{detail}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_cursor_cannot_put_messages_off_for_good() {
    let gateway = TestGateway::start().await;
    let ids = failed(&gateway, 1).await;
    let mut forged = [0xff; 24];
    forged[16..].copy_from_slice(&i64::MAX.to_be_bytes());
    let wish = json!({"code": 47003, "cursor": URL_SAFE_NO_PAD.encode(forged)});
    let done = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!(done["retried"], 1, "{done}");
    let reply = gateway.get(&format!("/v1/messages/{}", ids[0])).await;
    let message = reply.json();
    let at = |name: &str| -> jiff::Timestamp {
        let text = message[name].as_str().expect("it has a time");
        text.parse().unwrap()
    };
    let ahead = at("next_attempt_at").duration_since(at("created_at"));
    assert!(ahead.as_hours() <= 365 * 24, "{message}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_suppressed_recipient_is_left_alone_and_takes_no_place_in_the_rate() {
    let gateway = TestGateway::start().await;
    let ids = failed(&gateway, 3).await;
    let path = format!("/v1/recipients/{}/suppress", openid(2));
    gateway.post(&path, &json!({})).await;
    let wish = json!({"code": 47003, "rate": 0.01});
    let done = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!(
        (&done["retried"], &done["skipped"]),
        (&json!(2), &json!({"suppressed": 1})),
        "{done}"
    );
    // The newest is suppressed, so the one before it goes at once.
    gateway.until(&ids[1], "sent").await;
    let left = gateway.get(&format!("/v1/messages/{}", ids[2])).await;
    assert_eq!(left.json()["status"], "failed");
    assert_eq!(left.json()["reason"], "invalid_data");
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_of_a_paused_broadcast_is_queued_and_waits_for_it() {
    let gateway = TestGateway::start().await;
    gateway.sim.fault("code=47003:first=3".parse().unwrap());
    let mut slowly = order();
    slowly["rate"] = json!(10);
    let broadcast = gateway.ordered(&slowly).await;
    gateway.call(piece(&broadcast, 0, true, &file(100))).await;
    gateway.wish(&broadcast, "start").await;
    let path = format!("/v1/messages?broadcast={broadcast}&status=failed");
    let failed = gateway
        .until_reply(&path, "three that failed", |page| {
            page["messages"].as_array().unwrap().len() == 3
        })
        .await;
    gateway.wish(&broadcast, "pause").await;
    let ids: Vec<&str> = (0..3)
        .map(|nth| failed["messages"][nth]["id"].as_str().unwrap())
        .collect();
    let one = format!("/v1/messages/{}/retry", ids[0]);
    let one = gateway.post(&one, &json!({})).await.json();
    assert_eq!(
        (&one["status"], &one["next_attempt_at"]),
        (&json!("queued"), &Value::Null)
    );
    let wish = json!({"broadcast": broadcast});
    let done = gateway.post("/v1/messages/retry", &wish).await.json();
    assert_eq!((&done["retried"], &done["held"]), (&json!(2), &json!(2)));
    assert_eq!(done["last_due_at"], Value::Null, "nobody can say when");
    // A message that stands behind them in line goes out, and none of them.
    let mut other = message(&openid(900));
    other["priority"] = json!("bulk");
    let other = gateway.send(&other).await;
    gateway.until(&other, "sent").await;
    for id in &ids {
        let waits = gateway.get(&format!("/v1/messages/{id}")).await.json();
        assert_eq!(waits["status"], "queued", "{waits}");
    }
    gateway.wish(&broadcast, "resume").await;
    for id in ids {
        gateway.until(id, "sent").await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_ended_before_is_not_sent_again() {
    let gateway = TestGateway::start().await;
    let before = failed(&gateway, 1).await;
    let ended = |id: &str| format!("/v1/messages/{id}");
    let at = gateway.get(&ended(&before[0])).await.json()["attempts"][0]["at"].clone();
    let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
    let later = at + jiff::SignedDuration::from_hours(1);
    let since = |at: jiff::Timestamp| json!({"ended_since": at.to_string()});
    let none = gateway.post("/v1/messages/retry", &since(later)).await;
    assert_eq!(none.json()["retried"], 0);
    let one = gateway.post("/v1/messages/retry", &since(at)).await;
    assert_eq!(one.json()["retried"], 1);
    gateway.finish().await;
}
