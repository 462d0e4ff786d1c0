//! Promises that show only at the edges: headers of refusals, keys of two clients, messages that wait or have ended.

use hongyan_gateway::auth::signer::Signer;
use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::{CallbackToken, Mode, signature};
use hongyan_wechat_sim::ReceiptPolicy;
use http::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, CALLBACK_TOKEN, Call, Reply, Settings, TestGateway, message, openid, post,
};

/// A time so many milliseconds from now.
fn ahead(ms: i64) -> Value {
    let at = jiff::Timestamp::from_millisecond(SystemClock::new().wall().0 + ms);
    json!(at.unwrap().to_string())
}

async fn retry(gateway: &TestGateway, id: &str, body: Value) -> Reply {
    gateway
        .post(&format!("/v1/messages/{id}/retry"), &body)
        .await
}

#[tokio::test]
async fn what_cannot_be_answered_now_says_when_to_ask_again() {
    let settings = Settings {
        secret: "not-the-app-secret".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let sync = gateway.post("/v1/templates/sync", &json!({})).await;
    let token = gateway.get("/v1/accounts/clinic/token").await;
    for (path, reply) in [("sync", sync), ("token", token)] {
        reply.problem(503, "unavailable");
        let seconds: u32 = reply.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=60).contains(&seconds), "{path}: {seconds}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_second_forced_refresh_is_too_many_and_says_when_to_ask_again() {
    let gateway = TestGateway::start().await;
    let force = async || {
        let body = json!({"force": true});
        gateway
            .post("/v1/accounts/clinic/token/refresh", &body)
            .await
    };
    let first = force().await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = force().await;
    second.problem(429, "rate_limited");
    let wait = second.headers["retry-after"].to_str().unwrap();
    assert!((1..=30).contains(&wait.parse().unwrap()), "{wait}");
    assert_eq!(gateway.sim.calls().forced, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let gateway = TestGateway::start().await;
    let sent = message(&openid(1));
    let replies = [
        gateway.post("/v1/messages", &sent).await,
        gateway.post("/v1/messages", &sent).await,
        gateway.post("/v1/messages", &json!({})).await,
        gateway.call(post("/v1/messages", &sent).unsigned()).await,
        gateway.get("/v1/nothing").await,
    ];
    let statuses = replies.each_ref().map(|reply| reply.status.as_u16());
    assert_eq!(statuses, [202, 202, 422, 401, 404]);
    let mut ids: Vec<&str> = Vec::new();
    for reply in &replies {
        let id = reply.headers["x-request-id"].to_str().unwrap();
        if !reply.status.is_success() {
            assert_eq!(reply.json()["trace_id"], id, "{reply:?}");
        }
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), replies.len());
    gateway.finish().await;
}

#[tokio::test]
async fn a_key_is_each_client_s_own() {
    const OTHER: (&str, &str) = ("billing", "another-correct-horse-battery");
    let gateway = TestGateway::with(Settings {
        // What follows an account's lines may be another table.
        account: format!(
            "[[clients]]\nid = \"{}\"\nsecrets = [\"{}\"]\nscopes = [\"messages:send\"]",
            OTHER.0, OTHER.1
        ),
        ..Settings::default()
    })
    .await;
    let mut body = message(&openid(1));
    body["client_msg_id"] = json!("order-42");
    let send = || post("/v1/messages", &body).header("idempotency-key", "order-42");
    let by_other = || {
        let signer = Signer::new(OTHER.0, &SecretString::from(OTHER.1));
        let uri = "/v1/messages".parse().unwrap();
        let bytes = serde_json::to_vec(&body).unwrap();
        let now = SystemClock::new().wall();
        let headers = signer.headers(&Method::POST, &uri, &bytes, now).unwrap();
        headers.iter().fold(send().unsigned(), |call, header| {
            call.header(header.0, &header.1)
        })
    };
    let mut ids = Vec::new();
    for call in [send(), by_other(), send(), by_other()] {
        let reply = gateway.call(call).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        ids.push(reply.json()["id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1], "two clients, two messages");
    assert_eq!(ids[..2], ids[2..], "and each its own again");
    for id in &ids {
        gateway.until(id, "sent").await;
    }
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 2);
    gateway.finish().await;
}

#[tokio::test]
async fn an_expired_message_can_be_sent_again() {
    let gateway = TestGateway::start().await;
    gateway.sim.stop().await;
    let mut body = message(&openid(1));
    body["expires_at"] = ahead(500);
    let id = gateway.send(&body).await;
    gateway.until(&id, "expired").await;
    gateway.sim.restart_on_same_port().await.unwrap();
    let again = retry(&gateway, &id, json!({})).await;
    assert_eq!(again.status, 202, "{again:?}");
    assert_eq!(again.json()["expires_at"], Value::Null, "its time is over");
    gateway.until(&id, "sent").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn an_unconfirmed_message_is_sent_again_only_by_force() {
    let gateway = TestGateway::with(Settings {
        account: "receipt_timeout = \"1s\"".to_owned(),
        ..Settings::receipts(Mode::Plain)
    })
    .await;
    gateway.sim.set_receipts(ReceiptPolicy {
        lost: 1.0,
        ..ReceiptPolicy::default()
    });
    let id = gateway.send(&message(&openid(1))).await;
    let shown = gateway.until(&id, "unconfirmed").await;
    assert_eq!(shown["reason"], "receipt_missing");
    for body in [json!({}), json!({"force": false})] {
        let refused = retry(&gateway, &id, body).await;
        let detail = refused.problem(409, "conflict");
        assert!(detail.contains("force"), "{detail}");
    }
    gateway.sim.set_receipts(ReceiptPolicy::default());
    let again = retry(&gateway, &id, json!({"force": true})).await;
    assert_eq!(again.status, 202, "{again:?}");
    gateway.until(&id, "delivered").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 2, "as was warned of");
    gateway.finish().await;
}

#[tokio::test]
async fn a_cancel_during_the_call_asks_and_the_outcome_of_the_call_wins() {
    let gateway = TestGateway::start().await;
    let cases = [
        (None, "sent"),
        // It would wait for its second call, and ends in place of that.
        (Some("code=48017:first=1"), "cancelled"),
        // Nobody can say whether the call was taken, and it may not be repeated any more.
        (Some("code=-1:first=1"), "unconfirmed"),
    ];
    for (number, (fault, end)) in cases.into_iter().enumerate() {
        let openid = openid(number);
        gateway.sim.clear_faults();
        gateway.sim.fault("slow=2s".parse().unwrap());
        if let Some(fault) = fault {
            gateway.sim.fault(fault.parse().unwrap());
        }
        let id = gateway.send(&message(&openid)).await;
        gateway.until(&id, "sending").await;
        let asked = gateway
            .post(&format!("/v1/messages/{id}/cancel"), &json!({}))
            .await;
        assert_eq!(
            (asked.status.as_u16(), &asked.json()["status"]),
            (202, &json!("sending"))
        );
        let shown = gateway.until(&id, end).await;
        assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "{shown}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn another_content_under_a_client_msg_id_fails_alone_in_its_batch() {
    let gateway = TestGateway::start().await;
    let with_id = |openid: &str, id: &str, text: &str| {
        let mut body = message(openid);
        body["client_msg_id"] = json!(id);
        body["data"] = json!({"thing1": {"value": text}});
        body
    };
    let to = openid(1);
    let first = gateway.send(&with_id(&to, "order-42", "咖啡")).await;
    let batch = json!({"messages": [
        with_id(&to, "order-42", "茶"),
        with_id(&to, "order-42", "咖啡"),
        with_id(&to, "order-43", "茶"),
        with_id(&openid(2), "order-42", "茶"),
    ]});
    let reply = gateway.post("/v1/messages/batch", &batch).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let results = reply.json()["results"].as_array().unwrap().clone();
    let error = &results[0]["error"];
    assert_eq!(
        (&error["code"], &error["status"]),
        (&json!("idempotency_mismatch"), &json!(409))
    );
    assert_eq!(results[1]["id"], first.as_str());
    for result in &results[1..] {
        gateway.until(result["id"].as_str().unwrap(), "sent").await;
    }
    let seen = [1, 2].map(|number| gateway.sim.seen(&openid(number)).len());
    assert_eq!(seen, [2, 1]);
    gateway.finish().await;
}

#[tokio::test]
async fn a_push_that_says_something_twice_is_not_wechat_s() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let timestamp = (SystemClock::new().wall().0 / 1000).to_string();
    let signed = signature::sign(&CallbackToken::new(CALLBACK_TOKEN), &timestamp, "n1");
    let query = format!("signature={signed}&timestamp={timestamp}&nonce=n1&echostr=1");
    let check = async |query: String| {
        let path = format!("/wechat/callback/{ACCOUNT}?{query}");
        gateway
            .call(Call::new(Method::GET, &path, "").unsigned())
            .await
    };
    assert_eq!(check(query.clone()).await.status, 200);
    for pair in query.split('&') {
        check(format!("{query}&{pair}"))
            .await
            .problem(403, "forbidden");
    }
    gateway.finish().await;
}
