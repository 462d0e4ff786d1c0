//! The host goes away for a while, by a word through the control routes, and comes back as it was.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::control::told;
use crate::wire::{demo, send, token};

#[tokio::test]
async fn the_host_is_away_for_as_long_as_it_is_told() {
    let sim = demo().await;
    let token = token(&sim).await;
    let mut kept = TcpStream::connect(sim.addr()).await.unwrap();
    for length in [Duration::from_millis(400), Duration::ZERO] {
        let begun = Instant::now();
        let body = json!({"ms": length.as_millis()});
        told(&sim, "POST", "outage", body).await;
        // Its connections end, an idle one too.
        let mut byte = [0];
        assert!(!matches!(kept.read(&mut byte).await, Ok(1..)));
        let mut refused = 0;
        kept = loop {
            match TcpStream::connect(sim.addr()).await {
                Ok(stream) => break stream,
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
            refused += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(begun.elapsed() >= length && (refused > 0 || length.is_zero()));
    }
    // It has forgotten nothing.
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);
    assert_eq!(sim.accepted("m1"), 1);
}

#[tokio::test]
async fn a_host_that_is_away_can_be_stopped_and_started() {
    let sim = demo().await;
    let token = token(&sim).await;
    told(&sim, "POST", "outage", json!({"ms": 3_600_000})).await;
    sim.restart_on_same_port().await.unwrap();
    assert_eq!(send(&sim, &token, "m1").await.errcode(), 0);
}
