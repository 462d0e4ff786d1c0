//! What is wrong with an order is told before there are rows, field by field.

use serde_json::{Value, json};

use super::order;
use crate::harness::{Settings, TEMPLATE, TestGateway, openid};

async fn wrong(gateway: &TestGateway, order: Value) -> Vec<String> {
    let reply = gateway.post("/v1/broadcasts", &order).await;
    reply.problem(422, "invalid_message");
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    let each = errors.iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        format!("{}: {}", text("field"), text("problem"))
    });
    each.collect()
}

#[tokio::test]
async fn an_order_is_read_like_a_message() {
    let gateway = TestGateway::start().await;
    let with = |name: &str, value: Value| {
        let mut order = order();
        order[name] = value;
        order
    };
    for (order, told) in [
        (json!({}), "template_id: is missing"),
        (
            with("touser", json!("o1")),
            "touser: is not for a broadcast",
        ),
        (with("rate", json!(0)), "rate: must be 1 to 100000"),
        (
            with("priority", json!("low")),
            "priority: must be high, normal or bulk",
        ),
        (
            with("account", json!("nobody")),
            "account: unknown account; known: clinic",
        ),
        (
            with("url", json!("ftp://{{name}}")),
            "url: must be an http:// or https:// address",
        ),
        (
            with("expires_at", json!("2020-01-01T00:00:00Z")),
            "expires_at: has passed",
        ),
        (
            with("data", json!({"thing1": {"value": "{{name}}".repeat(257)}})),
            "data: columns are named more than 256 times",
        ),
        (
            with("reference", json!("x".repeat(256 * 1024))),
            "data: the message is longer than 262144 bytes",
        ),
        (
            with("recipients", json!("some")),
            "recipients: must be \"upload\", \"all\" or a list of recipients",
        ),
        (
            with("recipients", json!([{"openid": "o1", "nmae": "a"}])),
            "data.thing1.value: names the column \"name\", which the rows do not have; their columns: openid, nmae",
        ),
    ] {
        let errors = wrong(&gateway, order.clone()).await;
        assert!(errors.contains(&told.to_owned()), "{order}: {errors:?}");
    }
    let unknown = wrong(&gateway, with("ratee", json!(5))).await;
    let told = "ratee: is not a field of a broadcast; did you mean rate?";
    assert_eq!(unknown, [told]);
    let unknown = wrong(&gateway, with("unheard_of", json!("x"))).await;
    let told = "unheard_of: is not a field of a broadcast; known: template_id, ";
    assert!(unknown[0].starts_with(told), "{unknown:?}");
    assert!(unknown[0].ends_with(", recipients, rate"), "{unknown:?}");
    assert!(!unknown[0].contains("touser"), "{unknown:?}");
    // A link that is a column's own text is not judged before there is one.
    let mut linked = order();
    linked["url"] = json!("{{ link }}");
    gateway.ordered(&linked).await;
    let list = gateway
        .get("/v1/broadcasts?limit=1&account=clinic")
        .await
        .json();
    assert_eq!(
        list["next_cursor"],
        json!(null),
        "nothing that is wrong is stored"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_dry_run_checks_every_row_and_stores_nothing() {
    let gateway = TestGateway::start().await;
    let order = json!({"template_id": TEMPLATE, "url": "{{url}}", "data": {"thing1": {"value": "a"}}, "recipients": [
        {"openid": openid(1), "url": "https://example.com/"},
        {"openid": openid(2), "url": "example.com"},
    ]});
    let reply = gateway.post("/v1/broadcasts?dry_run=true", &order).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let problem = "url: must be an http:// or https:// address";
    let found = json!({"rows": 1, "bad_rows": 1, "problems": [{"line": 3, "problem": problem}]});
    assert_eq!(reply.json(), found);
    let list = gateway.get("/v1/broadcasts").await.json();
    assert_eq!(list["broadcasts"], json!([]));
    // When it is sent, that row is passed over and told.
    let id = gateway.ordered(&order).await;
    gateway.wish(&id, "start").await;
    gateway.until_broadcast(&id, "done").await;
    let done = gateway.get(&format!("/v1/broadcasts/{id}")).await.json();
    assert_eq!(
        (&done["progress"]["sent"], &done["progress"]["refused"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(done["problems"], found["problems"]);
    gateway.finish().await;
}

#[tokio::test]
async fn only_a_client_with_the_scope_may_broadcast() {
    let settings = Settings {
        scopes: vec!["messages:send"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    gateway
        .post("/v1/broadcasts", &order())
        .await
        .problem(403, "forbidden");
    gateway
        .get("/v1/broadcasts")
        .await
        .problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let gateway = TestGateway::start().await;
    for id in ["0000000000000001", "nonsense"] {
        let detail = gateway
            .get(&format!("/v1/broadcasts/{id}"))
            .await
            .problem(404, "not_found");
        assert_eq!(detail, "there is no such broadcast");
        let wish = gateway
            .post(&format!("/v1/broadcasts/{id}/start"), &json!({}))
            .await;
        wish.problem(404, "not_found");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn rows_are_held_against_their_template() {
    let text = "项目:{{thing1.DATA}}\n时间:{{time2.DATA}}";
    let gateway = TestGateway::with(Settings::listing(&[(TEMPLATE, text)])).await;
    gateway.until_listed().await;
    let mut lacking = order();
    let errors = wrong(&gateway, lacking.clone()).await;
    assert!(errors[0].starts_with("data.time2"), "{errors:?}");
    lacking["template_id"] = json!("ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtZ");
    let errors = wrong(&gateway, lacking).await;
    assert!(errors[0].starts_with("template_id"), "{errors:?}");
    // What a column brings is judged row by row.
    let order = json!({"template_id": TEMPLATE, "recipients": [
        {"openid": openid(1), "thing1": "复诊", "time2": "2026-12-01 08:00"},
        {"openid": openid(2), "thing1": "一二三四五六七八九十一二三四五六七八九十一", "time2": "2026-12-01 08:00"},
        {"openid": openid(3), "thing1": "复诊", "time2": "soon"},
    ]});
    let id = gateway.ordered(&order).await;
    gateway.wish(&id, "start").await;
    gateway.until_broadcast(&id, "done").await;
    let done = gateway.get(&format!("/v1/broadcasts/{id}")).await.json();
    assert_eq!(
        (&done["progress"]["sent"], &done["progress"]["refused"]),
        (&json!(1), &json!(2))
    );
    let problems = done["problems"].to_string();
    assert!(
        problems.contains("data.thing1.value") && problems.contains("data.time2.value"),
        "{problems}"
    );
    assert_eq!(
        gateway.sim.calls().accepted,
        1,
        "none of those reached WeChat"
    );
    let columns =
        json!({"template_id": TEMPLATE, "recipients": [{"openid": openid(1), "thing1": "复诊"}]});
    let errors = wrong(&gateway, columns).await;
    assert!(errors[0].starts_with("data.time2"), "{errors:?}");
    gateway.finish().await;
}
