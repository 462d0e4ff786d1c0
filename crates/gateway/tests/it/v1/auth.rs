//! Who may call: signatures, times, nonces, scopes.

use crate::harness::{Settings, TestGateway, get, message, openid, post};

#[tokio::test]
async fn only_a_right_signature_is_let_in() {
    let gateway = TestGateway::start().await;
    let call = || post("/v1/messages", &message(&openid(1)));
    let unsigned = gateway.call(call().unsigned()).await;
    let detail = unsigned.problem(401, "unauthenticated");
    assert!(detail.contains("docs/signing.md"), "{detail}");
    gateway
        .call(call().secret("wrong"))
        .await
        .problem(401, "unauthenticated");
    gateway
        .call(call().header("x-client-id", "orders"))
        .await
        .problem(401, "unauthenticated");
    let moved = call().sealed().header("x-trace", "1").unsigned();
    assert_eq!(
        gateway.call(moved).await.status,
        202,
        "headers are not signed"
    );
    for seconds in [-400, 400] {
        let detail = gateway
            .call(call().later(seconds))
            .await
            .problem(401, "unauthenticated");
        assert!(detail.contains("300 s"), "{detail}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_replayed_write_is_refused_also_after_a_restart() {
    let mut gateway = TestGateway::start().await;
    let call = post("/v1/messages", &message(&openid(1))).sealed();
    let first = gateway.call(call.clone().unsigned()).await;
    assert_eq!(first.status, 202);
    for _ in 0..2 {
        let detail = gateway
            .call(call.clone().unsigned())
            .await
            .problem(401, "unauthenticated");
        assert!(detail.contains("nonce"), "{detail}");
        gateway.restart().await;
    }
    let id = first.json()["id"].as_str().unwrap().to_owned();
    gateway.until(&id, "sent").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_replayed_read_is_refused() {
    let gateway = TestGateway::start().await;
    let call = get("/v1/accounts").sealed().unsigned();
    assert_eq!(gateway.call(call.clone()).await.status, 200);
    gateway.call(call).await.problem(401, "unauthenticated");
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_may_only_what_its_scopes_say() {
    let settings = Settings {
        scopes: vec!["messages:read"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    assert_eq!(gateway.get("/v1/messages").await.status, 200);
    for (call, scope) in [
        (post("/v1/messages", &message(&openid(1))), "messages:send"),
        (post("/v1/messages/x/cancel", &message("")), "messages:send"),
        (get("/v1/accounts"), "accounts"),
        (get("/v1/templates"), "templates"),
        (get("/v1/recipients/o1"), "recipients"),
        (
            post("/v1/recipients/o1/suppress", &message("")),
            "recipients",
        ),
        (post("/v1/recipients/o1/resume", &message("")), "recipients"),
        (
            post("/v1/accounts/clinic/token/refresh", &message("")),
            "token",
        ),
    ] {
        let detail = gateway.call(call).await.problem(403, "forbidden");
        assert!(detail.contains(scope), "{detail}");
    }
    gateway.finish().await;
}
