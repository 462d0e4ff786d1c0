//! `?wait=`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{TestGateway, message, openid};

#[tokio::test]
async fn a_caller_who_waits_is_answered_when_it_is_sent() {
    let gateway = TestGateway::start().await;
    let reply = gateway
        .post("/v1/messages?wait=10", &message(&openid(1)))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["status"], "sent");
    assert_eq!(reply.json()["attempts"][0]["errcode"], 0);
    let refused = gateway
        .post("/v1/messages?wait=10", &message("nobody"))
        .await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["status"]),
        (200, &json!("failed"))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_caller_who_waited_in_vain_has_its_id_all_the_same() {
    let gateway = TestGateway::start().await;
    gateway.sim.set_latency(Duration::from_millis(2500));
    let began = Instant::now();
    let reply = gateway
        .post("/v1/messages?wait=1", &message(&openid(1)))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(2));
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    gateway.sim.set_latency(Duration::ZERO);
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_stopping_gateway_keeps_nobody_waiting() {
    let mut gateway = TestGateway::start().await;
    gateway.sim.set_latency(Duration::from_secs(2));
    let address = gateway.address().to_owned();
    let waiting = crate::harness::post("/v1/messages?wait=30", &message(&openid(1)));
    let (reply, ()) = tokio::join!(waiting.make(&address), async {
        let stored = |page: &serde_json::Value| page["messages"][0].is_object();
        gateway
            .until_reply("/v1/messages", "a message", stored)
            .await;
        gateway.down().await;
    });
    assert_eq!(reply.status, 202, "{reply:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn wait_has_a_bound() {
    let gateway = TestGateway::start().await;
    for (wait, detail) in [
        ("31", "wait is at most 30 seconds"),
        ("-1", "wait must be a whole number"),
        ("soon", "wait must be a whole number"),
    ] {
        let reply = gateway
            .post(&format!("/v1/messages?wait={wait}"), &message(&openid(1)))
            .await;
        assert_eq!(reply.problem(400, "malformed"), detail);
    }
    gateway.finish().await;
}
