//! The same request twice is one message: by `Idempotency-Key`, and by `client_msg_id`.

use serde_json::json;

use crate::harness::{TestGateway, message, openid, post};

#[tokio::test]
async fn the_same_key_and_body_is_the_same_message() {
    let mut gateway = TestGateway::start().await;
    let body = message(&openid(1));
    let send = || post("/v1/messages", &body).header("idempotency-key", "order-42");
    let first = gateway.call(send()).await.json();
    let id = first["id"].as_str().unwrap();
    gateway.until(id, "sent").await;
    for _ in 0..2 {
        let replay = gateway.call(send()).await;
        assert_eq!(replay.status, 202);
        assert_eq!(replay.json()["id"], id);
        assert_eq!(replay.json()["status"], "sent", "its present status");
        gateway.restart().await;
    }
    let waiting = gateway
        .call(post("/v1/messages?wait=5", &body).header("idempotency-key", "order-42"))
        .await;
    assert_eq!(
        (waiting.status.as_u16(), &waiting.json()["id"]),
        (200, &json!(id))
    );
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let gateway = TestGateway::start().await;
    let send = |n| post("/v1/messages", &message(&openid(n))).header("idempotency-key", "order-42");
    assert_eq!(gateway.call(send(1)).await.status, 202);
    gateway
        .call(send(2))
        .await
        .problem(409, "idempotency_mismatch");
    // Another route is another key.
    let batch = json!({"messages": [message(&openid(3))]});
    let batch = post("/v1/messages/batch", &batch).header("idempotency-key", "order-42");
    assert_eq!(gateway.call(batch).await.status, 202);
    assert_eq!(gateway.sim.seen(&openid(2)).len(), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn concurrent_twins_are_one_message() {
    let gateway = TestGateway::start().await;
    let body = message(&openid(1));
    let twins = (0..20)
        .map(|_| gateway.call(post("/v1/messages", &body).header("idempotency-key", "twins")));
    let replies = futures::future::join_all(twins).await;
    let first = replies[0].json()["id"].clone();
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 202 && reply.json()["id"] == first)
    );
    gateway.until(first.as_str().unwrap(), "sent").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_msg_id_deduplicates_by_recipient_and_content() {
    let gateway = TestGateway::start().await;
    let with_id = |n, text| {
        let mut body = message(&openid(n));
        body["client_msg_id"] = json!("visit-7");
        body["data"]["thing1"]["value"] = json!(text);
        body
    };
    let first = gateway.send(&with_id(1, "a")).await;
    assert_eq!(gateway.send(&with_id(1, "a")).await, first);
    assert_ne!(
        gateway.send(&with_id(2, "a")).await,
        first,
        "another recipient"
    );
    let other = gateway.post("/v1/messages", &with_id(1, "b")).await;
    assert!(
        other
            .problem(409, "idempotency_mismatch")
            .contains("client_msg_id")
    );
    gateway.until(&first, "sent").await;
    let seen = gateway.sim.seen(&openid(1));
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].client_msg_id.as_deref(),
        Some(first.as_str()),
        "on the wire goes our own id"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_key_has_a_shape() {
    let gateway = TestGateway::start().await;
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let call = post("/v1/messages", &message(&openid(1))).header("idempotency-key", key);
        assert!(
            gateway
                .call(call)
                .await
                .problem(400, "malformed")
                .starts_with("Idempotency-Key")
        );
    }
    gateway.finish().await;
}
