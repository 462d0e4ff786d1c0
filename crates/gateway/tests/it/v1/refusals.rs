//! What every route refuses alike.

use http::Method;

use crate::harness::{Call, TestGateway, get};

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let gateway = TestGateway::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/message",
        "/v1/messages/",
        "/v2/messages",
        "/wechat/callback",
        "/health/",
    ] {
        gateway
            .call(get(path).unsigned())
            .await
            .problem(404, "not_found");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let gateway = TestGateway::start().await;
    for (method, path, allowed) in [
        (Method::DELETE, "/v1/messages", "GET,HEAD,POST"),
        (Method::GET, "/v1/messages/batch", "POST"),
        (
            Method::PUT,
            "/v1/messages/00000000000000000000000000000000",
            "GET,HEAD",
        ),
        (Method::POST, "/health/live", "GET,HEAD"),
        (Method::PATCH, "/wechat/callback/clinic", "GET,HEAD,POST"),
    ] {
        let reply = gateway.call(Call::new(method, path, "").unsigned()).await;
        reply.problem(405, "method_not_allowed");
        let mut listed: Vec<&str> = reply.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .collect();
        listed.sort_unstable();
        assert_eq!(listed.join(","), allowed, "{path}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_oversized_body_is_refused() {
    let gateway = TestGateway::start().await;
    let body = vec![b' '; (1 << 20) + 1];
    for path in ["/v1/messages", "/v1/messages/batch"] {
        let reply = gateway
            .call(Call::new(Method::POST, path, body.clone()))
            .await;
        assert_eq!(
            reply.problem(413, "too_large"),
            "the body is longer than 1048576 bytes"
        );
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_reply_carries_the_request_id_it_came_with() {
    let gateway = TestGateway::start().await;
    let reply = gateway
        .call(get("/health").unsigned().header("x-request-id", "abc-1"))
        .await;
    assert_eq!(reply.headers["x-request-id"], "abc-1");
    gateway.finish().await;
}
