//! Messages that are refused, and the exact words for each.

use serde_json::{Value, json};

use crate::harness::{Call, Settings, TEMPLATE, TestGateway, message, openid};

/// The message with one field otherwise.
fn with(field: &str, value: Value) -> Value {
    let mut body = message(&openid(1));
    body[field] = value;
    body
}

fn without(field: &str) -> Value {
    let mut body = message(&openid(1));
    body.as_object_mut().unwrap().remove(field);
    body
}

type Case = (Value, &'static str, &'static str);

async fn check(cases: Vec<Case>) {
    let gateway = TestGateway::start().await;
    for (body, field, problem) in cases {
        let reply = gateway.post("/v1/messages", &body).await;
        let detail = reply.problem(422, "invalid_message");
        assert_eq!(detail, format!("{field}: {problem}"));
        let errors = reply.json()["errors"].clone();
        assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
        assert_eq!(
            (&errors[0]["field"], &errors[0]["problem"]),
            (&json!(field), &json!(problem))
        );
    }
    let stored = gateway.get("/v1/messages").await.json();
    assert_eq!(stored["messages"], json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn what_wechat_wants_has_its_words() {
    let long = "x".repeat(2100);
    let http = "must be an http:// or https:// address";
    check(vec![
        (without("touser"), "touser", "is missing"),
        (with("touser", json!(null)), "touser", "is missing"),
        (with("touser", json!("")), "touser", "is empty"),
        (with("touser", json!(7)), "touser", "must be text"),
        (
            with("touser", json!("a\u{0}b")),
            "touser",
            "must not contain control characters",
        ),
        (
            with("touser", json!("o".repeat(65))),
            "touser",
            "is longer than 64 characters",
        ),
        (without("template_id"), "template_id", "is missing"),
        (without("data"), "data", "is missing"),
        (
            with("data", json!("x")),
            "data",
            "must be an object of key → {\"value\": …}",
        ),
        (
            with("data", json!({"a": {"value": "\u{0}"}})),
            "data.a.value",
            "must not contain NUL",
        ),
        (
            with("data", json!({"a": {"value": []}})),
            "data.a.value",
            "must be text or a number",
        ),
        (with("url", json!("ftp://x")), "url", http),
        (with("url", json!("https://")), "url", http),
        (
            with("url", json!(format!("https://x/{long}"))),
            "url",
            "is longer than 2048 bytes",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_the_gateway_adds_has_its_words() {
    let time = "must be an RFC 3339 time such as 2027-01-01T08:00:00+08:00";
    check(vec![
        (
            with("miniprogram", json!("x")),
            "miniprogram",
            "must be an object with appid and pagepath, both text",
        ),
        (
            with("miniprogram", json!({"pagepath": "p"})),
            "miniprogram.appid",
            "is missing",
        ),
        (
            with("kind", json!("sms")),
            "kind",
            "must be one of template, subscription, one_time_subscription, miniprogram_subscription",
        ),
        (
            with("priority", json!("urgent")),
            "priority",
            "must be high, normal or bulk",
        ),
        (
            with("account", json!("hospital")),
            "account",
            "unknown account; known: clinic",
        ),
        (with("send_at", json!("tomorrow")), "send_at", time),
        (
            with("send_at", json!("2199-01-01T00:00:00Z")),
            "send_at",
            "is more than a year ahead",
        ),
        (with("expires_at", json!(1)), "expires_at", time),
        (
            with("expires_at", json!("2020-01-01T00:00:00Z")),
            "expires_at",
            "has passed",
        ),
        (
            with("client_msg_id", json!("")),
            "client_msg_id",
            "is empty",
        ),
        (
            with("reference", json!("r".repeat(257))),
            "reference",
            "is longer than 256 characters",
        ),
        (
            with("tousr", json!("o1")),
            "tousr",
            "is not a field of a message; did you mean touser?",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_time_is_told_in_chinese_too() {
    let gateway = TestGateway::start().await;
    for (field, value, chinese) in [
        (
            "send_at",
            "tomorrow",
            "必须是 RFC 3339 格式的时间，例如 2027-01-01T08:00:00+08:00",
        ),
        ("send_at", "2199-01-01T00:00:00Z", "比现在晚一年以上"),
        (
            "send_at",
            "2020-01-01T00:00:00Z",
            "已过去超过 5 分钟；如需立即发送请不要填写",
        ),
        ("expires_at", "2020-01-01T00:00:00Z", "已经过去"),
    ] {
        let reply = gateway
            .post("/v1/messages", &with(field, json!(value)))
            .await;
        let errors = reply.json()["errors"].clone();
        assert_eq!(errors[0]["problem_zh"], chinese, "{errors}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let gateway = TestGateway::start().await;
    let body = json!({"touser": "", "template_id": 7, "data": {"a": {}, "b": "x"}, "xyzzy": 1});
    let reply = gateway.post("/v1/messages", &body).await;
    assert_eq!(
        reply.problem(422, "invalid_message"),
        "5 fields are wrong; see errors"
    );
    let errors = reply.json()["errors"].clone();
    let fields: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["touser", "template_id", "data.a.value", "data.b", "xyzzy"]
    );
    gateway.finish().await;
}

#[tokio::test]
async fn expiry_must_come_after_the_time_of_sending() {
    let gateway = TestGateway::start().await;
    let now = hongyan_gateway::clock::SystemClock::new().wall().0;
    let at = |seconds: i64| {
        json!(
            jiff::Timestamp::from_millisecond(now + seconds * 1000)
                .unwrap()
                .to_string()
        )
    };
    let mut body = with("send_at", at(600));
    body["expires_at"] = at(300);
    let reply = gateway.post("/v1/messages", &body).await;
    assert_eq!(
        reply.problem(422, "invalid_message"),
        "expires_at: is not after send_at"
    );
    gateway.finish().await;
}

#[tokio::test]
async fn with_several_accounts_one_must_be_named() {
    let settings = Settings {
        others: vec![("school", "wx00000000000000bb")],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let reply = gateway.post("/v1/messages", &message(&openid(1))).await;
    assert_eq!(
        reply.problem(422, "invalid_message"),
        "account: is missing; known: clinic, school"
    );
    let id = gateway.send(&with("account", json!("school"))).await;
    assert_eq!(gateway.until(&id, "sent").await["account"], "school");
    gateway.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_message_is_malformed() {
    let gateway = TestGateway::start().await;
    for (body, detail) in [
        (
            &b""[..],
            "the body is not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            b"{",
            "the body is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            b"{\"touser\":\n nope}",
            "the body is not JSON: expected ident at line 2 column 3",
        ),
        (b"[]", "a message must be a JSON object"),
        (b"\"x\"", "a message must be a JSON object"),
        (
            b"{} {}",
            "the body is not JSON: trailing characters at line 1 column 4",
        ),
        (
            b"{\"touser\":\"\xff\"}",
            "the body is not UTF-8: byte 11 is no part of it",
        ),
    ] {
        let reply = gateway
            .call(Call::new(http::Method::POST, "/v1/messages", body))
            .await;
        assert_eq!(reply.problem(400, "malformed"), detail);
    }
    let deep = format!(
        "{{\"data\":{}{}}}",
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    let reply = gateway
        .call(Call::new(http::Method::POST, "/v1/messages", deep))
        .await;
    assert!(
        matches!(reply.status.as_u16(), 400 | 422),
        "{:?}",
        reply.status
    );
    let template =
        json!({"touser": openid(1), "template_id": TEMPLATE, "data": {"a": {"value": "x"}}});
    gateway.send(&template).await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_comes_twice_is_not_chosen_from() {
    let gateway = TestGateway::start().await;
    let whole = message(&openid(1)).to_string();
    let data = r#""data":{"thing1":{"value":"a"},"thing1":{"value":"b"}}"#;
    let values = r#""data":{"thing1":{"value":"a","value":"b"}}"#;
    let once = r#""data":{"thing1":{"value":"你好"}}"#;
    assert!(whole.contains(once), "{whole}");
    for (body, detail) in [
        (
            whole.replacen('{', r#"{"touser":"oAnother","#, 1),
            "touser: comes more than once",
        ),
        (
            whole.replacen('{', r#"{"\u0074ouser":"oAnother","#, 1),
            "touser: comes more than once",
        ),
        (
            whole.replace(once, data),
            "data.thing1: comes more than once",
        ),
        (
            whole.replace(once, values),
            "data.thing1.value: comes more than once",
        ),
    ] {
        let call = Call::new(http::Method::POST, "/v1/messages", body.clone());
        let said = gateway.call(call).await.problem(422, "invalid_message");
        assert_eq!(said, detail, "{body}");
    }
    gateway.finish().await;
}
