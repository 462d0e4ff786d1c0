//! `POST /v1/messages/batch`.

use serde_json::{Value, json};

use crate::harness::{TestGateway, message, openid, post};

#[tokio::test]
async fn each_message_has_its_result_in_the_order_given() {
    let gateway = TestGateway::start().await;
    let mut bad = message(&openid(2));
    bad["data"] = json!({});
    let batch = json!({"messages": [message(&openid(1)), bad, message(&openid(3)), 7]});
    let reply = gateway.post("/v1/messages/batch", &batch).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let results = reply.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 4);
    for (place, number) in [(0, 1), (2, 3)] {
        let message = gateway
            .until(results[place]["id"].as_str().unwrap(), "sent")
            .await;
        assert_eq!(message["touser"], openid(number));
    }
    let error = &results[1]["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("invalid_message"), &json!(422))
    );
    assert_eq!(error["errors"][0]["field"], "data");
    assert_eq!(error["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(results[3]["error"]["code"], "malformed");
    gateway.finish().await;
}

#[tokio::test]
async fn a_replayed_batch_is_the_same_messages() {
    let gateway = TestGateway::start().await;
    let batch = json!({"messages": (0..50).map(|n| message(&openid(n))).collect::<Vec<_>>()});
    let send = || post("/v1/messages/batch", &batch).header("idempotency-key", "batch");
    let ids = |reply: Value| {
        let results = reply["results"].as_array().unwrap().clone();
        results
            .into_iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = ids(gateway.call(send()).await.json());
    assert_eq!(ids(gateway.call(send()).await.json()), first);
    for id in &first {
        gateway.until(id, "sent").await;
    }
    assert!(gateway.sim.seen_counts().values().all(|count| *count == 1));
    gateway.finish().await;
}

#[tokio::test]
async fn a_batch_has_bounds() {
    let gateway = TestGateway::start().await;
    let many = json!({"messages": vec![json!({}); 1001]});
    gateway
        .post("/v1/messages/batch", &many)
        .await
        .problem(413, "too_large");
    for body in [
        json!({"messages": []}),
        json!({}),
        json!([]),
        json!({"messages": {}}),
    ] {
        gateway
            .post("/v1/messages/batch", &body)
            .await
            .problem(400, "malformed");
    }
    gateway.finish().await;
}
