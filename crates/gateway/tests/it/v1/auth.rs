//! Who may call: signatures, times, nonces, scopes.

use serde_json::{Value, json};

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

/// Whoever recorded it could have it done when its sender believes that it was not.
#[tokio::test]
async fn a_write_that_was_refused_or_changed_nothing_is_not_let_in_later() {
    let mut gateway = TestGateway::with(Settings {
        sections: "[limits]\naccount = { burst = 2, per_second = 0.01 }".to_owned(),
        ..Settings::default()
    })
    .await;
    let sealed = |path: &str, body: &Value| post(path, body).sealed().unsigned();
    let (good, mut bad) = (message(&openid(1)), message(&openid(1)));
    bad["rate"] = json!(1);
    let calls = [
        (sealed("/v1/messages?dry_run=true", &good), 200),
        (sealed("/v1/messages", &bad), 422),
        (sealed("/v1/messages", &good), 202),
        (sealed("/v1/messages", &message(&openid(2))), 202),
        (sealed("/v1/messages", &message(&openid(3))), 429),
    ];
    for (call, status) in &calls {
        let reply = gateway.call(call.clone()).await;
        assert_eq!(reply.status, *status, "{reply:?}");
    }
    for (call, status) in &calls {
        let again = gateway.call(call.clone()).await.status;
        // What was done is looked up by its nonce, after the limits.
        let refused = again == 401 || (*status == 202 && again == 429);
        assert!(refused, "{again} after {status}");
    }
    // It begins with nothing counted, and would let them in.
    gateway.restart().await;
    let (limited, _) = calls.into_iter().next_back().unwrap();
    assert_eq!(gateway.call(limited).await.status, 401);
    assert_eq!(gateway.sim.seen(&openid(3)), []);
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
