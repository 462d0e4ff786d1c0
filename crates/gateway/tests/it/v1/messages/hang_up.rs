//! A caller that hangs up strands nothing.

use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::harness::{TestGateway, message, openid, post};

/// Sends a request and closes the connection without reading the answer.
async fn hang_up(host: String, request: http::Request<Full<bytes::Bytes>>) {
    let stream = TcpStream::connect(&host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let answer = sender.send_request(request);
    tokio::select! {
        _ = connection => {}
        _ = answer => {}
        // Time enough for the request to be read, and for some of the answers to be on their way.
        () = tokio::time::sleep(std::time::Duration::from_micros(u64::from(rand::random::<u16>()) / 20)) => {}
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_strands_nothing() {
    let gateway = TestGateway::start().await;
    let host = gateway.address().to_owned();
    let callers = (0..100).map(|number| {
        let request = post("/v1/messages", &message(&openid(number))).request(&host);
        hang_up(host.clone(), request)
    });
    futures::future::join_all(callers).await;
    let nothing_waits =
        |page: &serde_json::Value| page["messages"].as_array().is_some_and(Vec::is_empty);
    for status in ["queued", "sending"] {
        let path = format!("/v1/messages?status={status}");
        gateway
            .until_reply(&path, "nothing left", nothing_waits)
            .await;
    }
    let stored = gateway.get("/v1/messages?limit=200").await.json()["messages"]
        .as_array()
        .unwrap()
        .len();
    let seen = gateway.sim.seen_counts();
    assert_eq!(seen.len(), stored, "every stored message was sent");
    assert!(seen.values().all(|count| *count == 1));
    gateway.finish().await;
}
