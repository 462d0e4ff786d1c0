//! Health, metrics, and the document that describes the API.

use std::collections::BTreeSet;

use hongyan_wechat::callback::Mode;
use serde_json::{Value, json};

use crate::harness::{Settings, TestGateway, get, message, openid};

#[tokio::test]
async fn health_is_told_without_a_signature() {
    let gateway = TestGateway::start().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let reply = gateway.call(get(path).unsigned()).await;
        assert_eq!(reply.status, 200, "{path}");
    }
    let wanted = |ready: &Value| *ready == json!({"status": "ok", "degraded": []});
    gateway.until_reply("/health/ready", "ok", wanted).await;
    gateway.finish().await;
}

#[tokio::test]
async fn operations_can_have_a_listener_of_their_own() {
    let settings = Settings {
        server: "ops_listen = \"127.0.0.1:0\"".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    for path in ["/health", "/health/ready", "/metrics"] {
        assert_eq!(
            get(path)
                .unsigned()
                .make(gateway.ops_address())
                .await
                .status,
            200,
            "{path}"
        );
        gateway
            .call(get(path).unsigned())
            .await
            .problem(404, "not_found");
    }
    get("/v1/messages")
        .make(gateway.ops_address())
        .await
        .problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn metrics_have_the_names_of_the_contract() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "delivered").await;
    let reply = gateway.call(get("/metrics").unsigned()).await;
    assert!(
        reply.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let text = reply.text();
    for line in [
        "hongyan_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/messages\",status=\"202\"}",
        "hongyan_messages_total{account=\"clinic\",status=\"sent\",reason=\"\"}",
        "hongyan_messages_total{account=\"clinic\",status=\"delivered\",reason=\"\"}",
        "hongyan_send_duration_seconds_count{account=\"clinic\",errcode=\"0\"}",
        "hongyan_token_refreshes_total{account=\"clinic\",result=\"ok\"}",
        "hongyan_token_expires_timestamp_seconds{account=\"clinic\"}",
        "hongyan_store_query_duration_seconds_count{query=\"accept\"}",
        "hongyan_queue_depth{account=\"clinic\",priority=\"normal\"}",
        "hongyan_queue_oldest_seconds{account=\"clinic\"}",
        "hongyan_past_due_messages",
        "hongyan_workers_busy_ratio",
        "hongyan_send_rate_limit{account=\"clinic\"}",
        "hongyan_templates_stopped{account=\"clinic\"}",
        "hongyan_degraded{part=\"account:clinic\"}",
        "hongyan_degraded{part=\"store\"}",
        "hongyan_store_pool_connections{state=\"busy\"}",
        "hongyan_store_pool_connections{state=\"idle\"}",
        "hongyan_token_cache_requests_total{tier=\"local\",result=\"hit\"}",
        "hongyan_token_cache_requests_total{tier=\"shared\",result=\"miss\"}",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    gateway.finish().await;
}

fn check_the_token_is_a_way_in(document: &Value) {
    let token = &document["components"]["securitySchemes"]["token"];
    assert_eq!(
        (&token["type"], &token["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
}

#[tokio::test]
async fn the_document_lists_the_routes_and_what_they_ask_for() {
    let gateway = TestGateway::start().await;
    let document = gateway.call(get("/openapi.json").unsigned()).await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    check_the_token_is_a_way_in(&document);
    let paths = document["paths"].as_object().unwrap();
    let mut listed = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            listed.insert(format!("{} {path}", method.to_uppercase()));
            let guarded = operation["security"].as_array().map(Vec::len) == Some(2);
            assert_eq!(guarded, path.starts_with("/v1/"), "{path}");
            assert!(
                !guarded || operation["responses"]["401"].is_object(),
                "{path}"
            );
        }
    }
    let expected = [
        "DELETE /v1/templates/{id}",
        "GET /health",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "GET /v1/accounts",
        "GET /v1/accounts/{name}/industries",
        "GET /v1/accounts/{name}/token",
        "GET /v1/attention",
        "GET /v1/audit",
        "GET /v1/broadcasts",
        "GET /v1/broadcasts/{id}",
        "GET /v1/messages",
        "GET /v1/messages/{id}",
        "GET /v1/recipients",
        "GET /v1/recipients/{openid}",
        "GET /v1/templates",
        "GET /v1/webhooks",
        "GET /v1/webhooks/{name}/events",
        "GET /v1/templates/{id}",
        "GET /wechat/callback/{account}",
        "POST /v1/accounts/{name}/quota/clear",
        "GET /wechat/oauth/{account}/callback",
        "GET /wechat/oauth/{account}/start",
        "POST /v1/accounts/{name}/industries",
        "POST /v1/accounts/{name}/receipts",
        "POST /v1/accounts/{name}/token/refresh",
        "POST /v1/broadcasts",
        "POST /v1/broadcasts/{id}/cancel",
        "POST /v1/broadcasts/{id}/pause",
        "POST /v1/broadcasts/{id}/resume",
        "POST /v1/broadcasts/{id}/rows",
        "POST /v1/broadcasts/{id}/start",
        "POST /v1/clients/{id}/tokens/revoke",
        "POST /v1/messages",
        "POST /v1/messages/batch",
        "POST /v1/messages/retry",
        "POST /v1/messages/{id}/cancel",
        "POST /v1/messages/{id}/retry",
        "POST /v1/recipients/{openid}/forget",
        "POST /v1/recipients/{openid}/resume",
        "POST /v1/recipients/{openid}/suppress",
        "POST /v1/webhooks/{name}/redeliver",
        "POST /v1/webhooks/{name}/resume",
        "POST /v1/templates",
        "POST /v1/templates/sync",
        "POST /v1/templates/{id}/resume",
        "POST /wechat/callback/{account}",
    ];
    assert_eq!(listed, expected.map(str::to_owned).into());
    assert_references(&document, &document);
    gateway.finish().await;
}

/// Every `$ref` of the document leads somewhere.
fn assert_references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.trim_start_matches('#');
                assert!(
                    document.pointer(pointer).is_some(),
                    "{target} leads nowhere"
                );
            }
            fields
                .values()
                .for_each(|field| assert_references(field, document));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| assert_references(item, document)),
        _ => {}
    }
}

#[tokio::test]
async fn the_documentation_works_offline() {
    let gateway = TestGateway::start().await;
    let page = gateway.call(get("/docs/").unsigned()).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(!page.text().contains("https://"), "{}", page.text());
    for asset in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        assert_eq!(
            gateway
                .call(get(&format!("/docs/{asset}")).unsigned())
                .await
                .status,
            200,
            "{asset}"
        );
    }
    gateway.finish().await;
}
