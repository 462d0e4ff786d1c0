//! What every route refuses alike.

use http::Method;

use crate::harness::{Call, TestGateway, get, message, openid};

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
async fn a_query_that_a_route_does_not_know_is_refused() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    for (method, path) in [
        (Method::GET, format!("/v1/messages/{id}")),
        (Method::POST, format!("/v1/messages/{id}/cancel")),
        (Method::POST, format!("/v1/messages/{id}/retry")),
        (Method::POST, "/v1/messages/batch".to_owned()),
        (Method::POST, "/v1/accounts/clinic/token/refresh".to_owned()),
    ] {
        let reply = gateway
            .call(Call::new(method, &format!("{path}?force=true"), "{}"))
            .await;
        let detail = reply.problem(400, "malformed");
        assert!(
            detail.starts_with("\"force\" is not a parameter"),
            "{path}: {detail}"
        );
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

#[tokio::test]
async fn where_a_problem_points_to_there_is_a_text() {
    let gateway = TestGateway::start().await;
    for (path, holds) in [
        ("/docs/errors", "id=\"invalid_message\""),
        ("/docs/signing.md", "HONGYAN-HMAC-SHA256-V1"),
    ] {
        let reply = gateway.call(get(path).unsigned()).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.headers["content-type"],
            "text/markdown; charset=utf-8"
        );
        assert!(reply.text().contains(holds), "{path}");
    }
    let page = gateway.call(get("/docs/").unsigned()).await;
    assert_eq!(page.status, 200);
    let nothing = gateway.call(get("/docs/nothing").unsigned()).await;
    let detail = nothing.problem(404, "not_found");
    assert!(detail.contains("/docs/nothing"), "{detail}");
    gateway.finish().await;
}
