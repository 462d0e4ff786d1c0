//! What a stop does to connections: requests that are under way are answered, nobody else is waited for.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;

use super::Wire;
use crate::harness::{Call, TestGateway, message, openid};

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
const HALF: &str = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-le";

#[tokio::test]
async fn whoever_has_no_request_under_way_does_not_hold_up_a_stop() {
    let mut gateway = TestGateway::start().await;
    let mut wires = Vec::new();
    for (asks, says) in [("", ""), ("", HALF), (HEALTH, ""), (HEALTH, HALF)] {
        let mut wire = Wire::to(gateway.address()).await;
        if !asks.is_empty() {
            wire.say(asks).await;
            wire.until("\"status\":\"ok\"").await;
        }
        wire.say(says).await;
        wires.push(wire);
    }
    // Whatever was said above has been heard once this is answered: connections are served in turn.
    gateway.get("/v1/messages").await;
    let began = Instant::now();
    gateway.down().await;
    // The harness gives a stop ten seconds.
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    for mut wire in wires {
        assert_eq!(wire.rest().await, "");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_request_that_is_under_way_at_a_stop_is_answered() {
    let mut gateway = TestGateway::start().await;
    let address = gateway.address().to_owned();
    let (head, body) = Call::new(
        http::Method::POST,
        "/v1/messages",
        message(&openid(1)).to_string(),
    )
    .written(&address);
    let (first, second) = body.split_at(10);
    let mut wire = Wire::to(&address).await;
    wire.say(format!("{head}expect: 100-continue\r\n\r\n"))
        .await;
    // The gateway reads the body, so the request is under way.
    wire.until("100 Continue").await;
    wire.say(first).await;
    let finishing = async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        wire.say(second).await;
        wire.rest().await
    };
    let (answer, ()) = tokio::join!(finishing, gateway.down());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 202 "), "{answer}");
    let accepted: Value = serde_json::from_str(body).unwrap();
    gateway.up().await;
    gateway
        .until(accepted["id"].as_str().unwrap(), "sent")
        .await;
    gateway.finish().await;
}
