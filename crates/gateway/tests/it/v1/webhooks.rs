//! Events out: signed posts to a client's program, and the calls about them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hongyan_wechat::callback::Mode;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{
    AUTHORITY, CLIENT, Post, Receiver, Settings, TestGateway, message, openid, serve_privately,
};

const KEYS: [&str; 2] = [
    "bmV3IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLiE=",
    "b2xkIHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLiE=",
];

/// A webhook of the stories' client.
fn hook(host: &str, more: &str) -> String {
    format!(
        "[[webhooks]]\nname = \"status\"\nclient = \"{CLIENT}\"\nurl = \"http://{host}/hook\"\n\
         secrets = [\"whsec_{}\", \"whsec_{}\"]\n{more}\n",
        KEYS[0], KEYS[1]
    )
}

/// What receives, and a gateway that may post to it.
async fn told(callback: Option<Mode>) -> (TestGateway, Receiver) {
    let receiver = Receiver::start().await;
    let settings = Settings {
        callback,
        more: hook(&receiver.addr.to_string(), "allow = [\"127.0.0.1\"]"),
        ..Settings::default()
    };
    (TestGateway::with(settings).await, receiver)
}

/// As any program would check it, by the standard's text.
fn is_signed(post: &Post, key: &str) -> bool {
    let signed = [post.header("webhook-id"), post.header("webhook-timestamp")];
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).unwrap()).unwrap();
    mac.update(format!("{}.{}.", signed[0], signed[1]).as_bytes());
    mac.update(&post.body);
    let wanted = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    post.header("webhook-signature")
        .split(' ')
        .any(|one| one == wanted)
}

async fn webhook(gateway: &TestGateway, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let list = gateway
        .until_reply("/v1/webhooks", what, |list| wanted(&list["webhooks"][0]))
        .await;
    list["webhooks"][0].clone()
}

#[tokio::test]
async fn a_client_is_told_by_signed_events_what_becomes_of_its_messages() {
    let (gateway, receiver) = told(Some(Mode::Plain)).await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "delivered").await;
    let posts = receiver.until(2).await;
    let mut types: Vec<Value> = posts
        .iter()
        .map(|post| post.json()["type"].clone())
        .collect();
    types.sort_by_key(ToString::to_string);
    assert_eq!(types, ["message.delivered", "message.sent"]);
    assert_ne!(posts[0].header("webhook-id"), posts[1].header("webhook-id"));
    for post in &posts {
        assert_eq!(post.path, "/hook");
        assert_eq!(post.header("content-type"), "application/json");
        assert!(KEYS.iter().all(|key| is_signed(post, key)), "{post:?}");
        let payload = post.json();
        let data = &payload["data"];
        let at = |value: &Value| -> jiff::Timestamp { value.as_str().unwrap().parse().unwrap() };
        assert!(
            at(&payload["timestamp"]) >= at(&data["created_at"]),
            "{payload}"
        );
        assert_eq!(data["id"], id);
        assert_eq!(
            payload["type"],
            format!("message.{}", data["status"].as_str().unwrap())
        );
        assert!(payload["timestamp"].is_string());
        assert_eq!(data["attempts"][0]["errcode"], 0);
        // What the message says stays between its client and WeChat.
        assert!(data.get("data").is_none());
        assert!(!String::from_utf8_lossy(&post.body).contains("你好"));
    }
    let shown = webhook(&gateway, "nothing waiting", |hook| hook["waiting"] == 0).await;
    assert_eq!(shown["state"], "ok");
    assert_eq!(shown["last_error"], Value::Null);
    assert!(!shown.to_string().contains(KEYS[0]));
    gateway.finish().await;
}

#[tokio::test]
async fn an_event_that_was_not_taken_comes_again_the_same() {
    let (mut gateway, receiver) = told(None).await;
    receiver.answer(500);
    let id = gateway.send(&message(&openid(1))).await;
    let first = receiver.until(1).await.remove(0);
    let failing = |hook: &Value| hook["last_error"] == "HTTP 500";
    assert_eq!(webhook(&gateway, "an error", failing).await["waiting"], 1);
    let waits = |page: &Value| page["events"][0]["last_error"] == "HTTP 500";
    let path = "/v1/webhooks/status/events?state=waiting";
    let page = gateway.until_reply(path, "its try", waits).await;
    let event = &page["events"][0];
    assert_eq!(event["id"], first.header("webhook-id"));
    assert_eq!(
        (&event["message"], &event["tries"]),
        (&json!(id), &json!(1))
    );
    assert!(event["next_attempt_at"].is_string());
    gateway.restart().await;
    // An operator need not wait for the next try.
    let again = json!({"event": event["id"]});
    let reply = gateway.post("/v1/webhooks/status/redeliver", &again).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (202, json!({"events": 1}))
    );
    let second = receiver.until(2).await.remove(1);
    assert_eq!(second.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(second.body, first.body);
    assert!(is_signed(&second, KEYS[0]));
    let all = "/v1/webhooks/status/events";
    let delivered = |page: &Value| page["events"][0]["state"] == "delivered";
    gateway.until_reply(all, "delivered", delivered).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_webhook_that_answers_410_is_off_until_an_operator_resumes_it() {
    let (mut gateway, receiver) = told(None).await;
    receiver.answer(410);
    gateway.send(&message(&openid(1))).await;
    let off = webhook(&gateway, "that it is off", |hook| hook["state"] == "off").await;
    assert!(off["off_since"].is_string());
    assert_eq!(
        off["last_error"],
        "HTTP 410: the webhook says that it is gone"
    );
    let needed = gateway.get("/v1/attention").await.json();
    assert_eq!(needed["items"][0]["subject"], "webhook");
    assert_eq!(needed["items"][0]["key"], "status");
    assert_eq!(
        needed["items"][0]["command"],
        "hongyan webhooks resume status"
    );
    gateway.restart().await;
    let id = gateway.send(&message(&openid(2))).await;
    gateway.until(&id, "sent").await;
    let off = webhook(&gateway, "two events that wait", |hook| {
        hook["waiting"] == 2
    })
    .await;
    assert_eq!((&off["state"], &off["failed"]), (&json!("off"), &json!(0)));
    assert_eq!(receiver.posts().len(), 1, "nobody asks it");
    let resume = "/v1/webhooks/status/resume";
    let resumed = gateway.post(resume, &json!({})).await;
    assert_eq!(resumed.json()["state"], "ok");
    let posts = receiver.until(3).await;
    let again = posts[1..].iter().filter(|post| post.body == posts[0].body);
    assert_eq!(again.count(), 1, "what it refused comes again");
    webhook(&gateway, "nothing left", |hook| hook["waiting"] == 0).await;
    assert_eq!(
        gateway.get("/v1/attention").await.json()["items"],
        json!([])
    );
    assert_eq!(gateway.post(resume, &json!({})).await.status, 200);
    let elsewhere = gateway.post("/v1/webhooks/other/resume", &json!({})).await;
    elsewhere.problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn an_event_names_the_broadcast_of_its_message() {
    let (gateway, receiver) = told(None).await;
    let order = json!({"template_id": crate::harness::TEMPLATE, "data": {"thing1": {"value": "大家好"}},
        "recipients": [openid(1)]});
    let broadcast = gateway.post("/v1/broadcasts", &order).await.json();
    let start = format!("/v1/broadcasts/{}/start", broadcast["id"].as_str().unwrap());
    gateway.post(&start, &json!({})).await;
    let post = receiver.until(1).await.remove(0);
    assert_eq!(post.json()["data"]["broadcast"], broadcast["id"]);
    gateway.send(&message(&openid(2))).await;
    let post = receiver.until(2).await.remove(1);
    assert!(post.json()["data"].get("broadcast").is_none());
    gateway.finish().await;
}

#[tokio::test]
async fn a_private_authority_is_believed_where_it_is_named_and_nowhere_else() {
    let host = serve_privately().to_string();
    for (ca, state) in [
        (format!("ca = \"file:{AUTHORITY}\""), "delivered"),
        (String::new(), "waiting"),
    ] {
        let more = format!("allow = [\"127.0.0.1\"]\n{ca}");
        let settings = Settings {
            more: hook(&host, &more).replace("http://", "https://"),
            ..Settings::default()
        };
        let gateway = TestGateway::with(settings).await;
        gateway.send(&message(&openid(1))).await;
        let tried = |page: &Value| {
            page["events"][0]["state"] == "delivered" || page["events"][0]["last_error"].is_string()
        };
        let page = gateway
            .until_reply("/v1/webhooks/status/events", "a try", tried)
            .await;
        assert_eq!(page["events"][0]["state"], state, "{page}");
        let error = page["events"][0]["last_error"].to_string();
        assert_eq!(error.contains("UnknownIssuer"), ca.is_empty(), "{error}");
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (gateway, receiver) = told(None).await;
    receiver.redirect("/elsewhere");
    gateway.send(&message(&openid(1))).await;
    webhook(&gateway, "a refusal", |hook| {
        hook["last_error"] == "HTTP 307"
    })
    .await;
    let paths: Vec<String> = receiver.posts().into_iter().map(|post| post.path).collect();
    assert_eq!(paths, ["/hook"]);
    gateway.finish().await;
}

/// A name, and a number that resolvers read as an address.
#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let receiver = Receiver::start().await;
    for host in ["localhost", "2130706433"] {
        let settings = Settings {
            more: hook(&format!("{host}:{}", receiver.addr.port()), ""),
            ..Settings::default()
        };
        let gateway = TestGateway::with(settings).await;
        gateway.send(&message(&openid(1))).await;
        let refused = |hook: &Value| {
            let error = hook["last_error"].as_str();
            error.is_some_and(|error| error.contains("not public"))
        };
        webhook(&gateway, "a refusal", refused).await;
        assert!(receiver.posts().is_empty(), "{host}");
        gateway.finish().await;
    }
}

#[tokio::test]
async fn webhooks_are_for_those_who_look_after_them() {
    let (gateway, _receiver) = told(None).await;
    let redeliver = "/v1/webhooks/status/redeliver";
    for (body, status, code) in [
        (json!({"event": "x"}), 404, "not_found"),
        (
            json!({"event": "0198c7a1f0c27d3aa5c2f4d1e8b97f10"}),
            404,
            "not_found",
        ),
        (json!({"since": "yesterday"}), 400, "malformed"),
        (json!({"evnet": "x"}), 400, "malformed"),
    ] {
        gateway.post(redeliver, &body).await.problem(status, code);
    }
    let elsewhere = gateway.get("/v1/webhooks/other/events").await;
    elsewhere.problem(404, "not_found");
    gateway.finish().await;
    let settings = Settings {
        scopes: vec!["messages:send", "messages:read"],
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    gateway.get("/v1/webhooks").await.problem(403, "forbidden");
    gateway.finish().await;
}
