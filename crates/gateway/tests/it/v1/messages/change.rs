//! Cancel and retry.

use serde_json::json;

use crate::harness::{Call, TestGateway, message, openid, post};

#[tokio::test]
async fn what_waits_can_be_cancelled_and_then_sent_again() {
    let gateway = TestGateway::start().await;
    let mut later = message(&openid(1));
    let now = hongyan_gateway::clock::SystemClock::new().wall().0;
    later["send_at"] = json!(
        jiff::Timestamp::from_millisecond(now + 3_600_000)
            .unwrap()
            .to_string()
    );
    let id = gateway.send(&later).await;
    let cancelled = gateway
        .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
        .await;
    assert_eq!(
        (cancelled.status.as_u16(), &cancelled.json()["status"]),
        (200, &json!("cancelled"))
    );
    let again = gateway
        .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
        .await;
    assert!(again.problem(409, "conflict").contains("cancelled"));

    let retried = gateway
        .call(Call::new(
            http::Method::POST,
            &format!("/v1/messages/{id}/retry"),
            "",
        ))
        .await;
    assert_eq!(
        (retried.status.as_u16(), &retried.json()["status"]),
        (202, &json!("queued"))
    );
    gateway.until(&id, "sent").await;
    let sent = gateway
        .post(&format!("/v1/messages/{id}/retry"), &json!({}))
        .await;
    assert!(sent.problem(409, "conflict").contains("sent"));
    let sent = gateway
        .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
        .await;
    assert!(sent.problem(409, "conflict").contains("sent"));
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_failed_message_can_be_sent_again() {
    let gateway = TestGateway::start().await;
    gateway.sim.fault("code=47003:first=1".parse().unwrap());
    let id = gateway.send(&message(&openid(1))).await;
    assert_eq!(gateway.until(&id, "failed").await["reason"], "invalid_data");
    let retried = gateway
        .post(&format!("/v1/messages/{id}/retry"), &json!({"force": true}))
        .await;
    assert_eq!(retried.status, 202);
    let message = gateway.until(&id, "sent").await;
    assert_eq!(message["attempts"].as_array().unwrap().len(), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_that_is_not_there_cannot_be_changed() {
    let gateway = TestGateway::start().await;
    for id in ["00000000000000000000000000000000", "nonsense", "%FF"] {
        for action in ["cancel", "retry"] {
            gateway
                .post(&format!("/v1/messages/{id}/{action}"), &json!({}))
                .await
                .problem(404, "not_found");
        }
        gateway
            .get(&format!("/v1/messages/{id}"))
            .await
            .problem(404, "not_found");
    }
    let id = gateway.send(&message("nobody")).await;
    gateway.until(&id, "failed").await;
    for body in ["{", "[]", r#"{"forse":true}"#, r#"{"force":1}"#] {
        let call = Call::new(
            http::Method::POST,
            &format!("/v1/messages/{id}/retry"),
            body,
        );
        gateway.call(call).await.problem(400, "malformed");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_replayed_cancel_is_refused() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message("nobody")).await;
    gateway.until(&id, "failed").await;
    let retry = post(&format!("/v1/messages/{id}/retry"), &json!({})).sealed();
    assert_eq!(gateway.call(retry.clone().unsigned()).await.status, 202);
    gateway
        .call(retry.unsigned())
        .await
        .problem(401, "unauthenticated");
    // WeChat said that there is nobody of this name, so it is not asked again.
    gateway.until(&id, "suppressed").await;
    gateway.finish().await;
}
