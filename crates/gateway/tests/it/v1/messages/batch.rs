//! `POST /v1/messages/batch`.

use serde_json::{Value, json};

use crate::harness::{Call, TestGateway, message, openid, post};

#[tokio::test]
async fn each_message_has_its_result_in_the_order_given() {
    let gateway = TestGateway::start().await;
    let mut bad = message(&openid(2));
    bad["data"] = json!({});
    let batch = json!({"messages": [message(&openid(1)), bad, message(&openid(3)), 7]});
    let reply = gateway.post("/v1/messages/batch", &batch).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let results = reply.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 4);
    for (place, number) in [(0, 1), (2, 3)] {
        let message = gateway
            .until(results[place]["id"].as_str().unwrap(), "sent")
            .await;
        assert_eq!(message["touser"], openid(number));
    }
    let error = &results[1]["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("invalid_message"), &json!(422))
    );
    assert_eq!(error["errors"][0]["field"], "data");
    assert_eq!(error["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(results[3]["error"]["code"], "malformed");
    gateway.finish().await;
}

#[tokio::test]
async fn a_replayed_batch_is_the_same_messages() {
    let gateway = TestGateway::start().await;
    let batch = json!({"messages": (0..50).map(|n| message(&openid(n))).collect::<Vec<_>>()});
    let send = || post("/v1/messages/batch", &batch).header("idempotency-key", "batch");
    let ids = |reply: Value| {
        let results = reply["results"].as_array().unwrap().clone();
        results
            .into_iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = ids(gateway.call(send()).await.json());
    assert_eq!(ids(gateway.call(send()).await.json()), first);
    for id in &first {
        gateway.until(id, "sent").await;
    }
    assert!(gateway.sim.seen_counts().values().all(|count| *count == 1));
    gateway.finish().await;
}

#[tokio::test]
async fn a_batch_has_bounds() {
    let gateway = TestGateway::start().await;
    let batch = |count: usize| json!({"messages": vec![json!({}); count]});
    let reply = gateway.post("/v1/messages/batch", &batch(1_001)).await;
    assert_eq!(
        reply.problem(413, "too_large"),
        "a batch has at most 1000 messages, and this one has 1001"
    );
    let reply = gateway.post("/v1/messages/batch", &batch(1_000)).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    gateway.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_batch_is_malformed() {
    let gateway = TestGateway::start().await;
    let whole = json!({"messages": [message(&openid(1))]}).to_string();
    let listed = json!([[message(&openid(1))]]).to_string();
    let twice = whole.replacen('{', "{\"messages\":[],", 1);
    let more = whole.replacen('{', "{\"account\":\"clinic\",", 1);
    let followed = format!("{whole} {whole}");
    let refused = async |body: &[u8]| {
        let call = Call::new(http::Method::POST, "/v1/messages/batch", body.to_vec());
        gateway.call(call).await.problem(400, "malformed")
    };
    let object = "a batch must be a JSON object: {\"messages\": […]}";
    for (body, detail) in [
        (&b""[..], "EOF while parsing a value at line 1 column 0"),
        (b"{", "EOF while parsing an object at line 1 column 1"),
        (b"{}", "missing field `messages` at line 1 column 2"),
        (
            b"{\"messages\":null}",
            "invalid type: null, expected a sequence at line 1 column 16",
        ),
        (
            b"{\"messages\":{}}",
            "invalid type: map, expected a sequence at line 1 column 12",
        ),
        (
            b"{\"messages\":[{]}",
            "key must be a string at line 1 column 15",
        ),
        (
            b"{\"messages\":[\"\xff\"]}",
            "invalid unicode code point at line 1 column 15",
        ),
        (
            twice.as_bytes(),
            "duplicate field `messages` at line 1 column 25",
        ),
        (
            more.as_bytes(),
            "unknown field `account`, expected `messages` at line 1 column 10",
        ),
        (
            followed.as_bytes(),
            "trailing characters at line 1 column 155",
        ),
    ] {
        let said = refused(body).await;
        let detail = format!("the body is not {{\"messages\": […]}}: {detail}");
        assert_eq!(said, detail, "{}", String::from_utf8_lossy(body));
    }
    for (body, detail) in [
        (&b"7"[..], object),
        (b"null", object),
        (b"[]", object),
        (listed.as_bytes(), object),
        (b"nonsense", object),
        (b"{\"messages\":[]}", "messages is empty"),
    ] {
        assert_eq!(
            refused(body).await,
            detail,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
    let stored = gateway.get("/v1/messages").await.json();
    assert_eq!(stored["messages"], json!([]));
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_no_message_is_told_in_its_place() {
    let gateway = TestGateway::start().await;
    let bad = [json!(7), json!(null), json!("x"), json!([]), json!({})];
    let reply = gateway
        .post("/v1/messages/batch", &json!({"messages": bad}))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let told: Vec<Value> = reply.json()["results"].as_array().unwrap().clone();
    let detail = |result: &Value| {
        let error = &result["error"];
        (error["code"].clone(), error["detail"].clone())
    };
    let no_object = (json!("malformed"), json!("a message must be a JSON object"));
    let empty = (
        json!("invalid_message"),
        json!("3 fields are wrong; see errors"),
    );
    let wanted = [&no_object, &no_object, &no_object, &no_object, &empty];
    assert_eq!(told.len(), wanted.len());
    for (result, wanted) in told.iter().zip(wanted) {
        assert_eq!(detail(result), *wanted);
    }
    gateway.finish().await;
}
