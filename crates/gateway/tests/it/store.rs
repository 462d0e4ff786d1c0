//! What is answered while the store cannot do its work.

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::{CallbackToken, Mode, signature};
use http::Method;
use serde_json::json;

use crate::harness::{
    ACCOUNT, CALLBACK_TOKEN, Call, Reply, Settings, TestGateway, get, message, openid, post,
};

fn retry_after(reply: &Reply) -> &str {
    reply.headers["retry-after"].to_str().unwrap()
}

fn receipt() -> Call {
    let timestamp = (SystemClock::new().wall().0 / 1000).to_string();
    let signed = signature::sign(&CallbackToken::new(CALLBACK_TOKEN), &timestamp, "n1");
    let query = format!("signature={signed}&timestamp={timestamp}&nonce=n1");
    let body = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1395658920</CreateTime>\
                <MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event><MsgID>1</MsgID><Status>success</Status></xml>";
    let path = format!("/wechat/callback/{ACCOUNT}?{query}");
    Call::new(Method::POST, &path, body).unsigned()
}

#[tokio::test]
async fn without_its_store_every_call_says_when_to_come_back() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "delivered").await;
    let (store, _) = gateway.store();
    store.close().await;
    let one = message(&openid(2));
    let of_id = |verb: &str| format!("/v1/messages/{id}{verb}");
    for call in [
        post("/v1/messages", &one),
        post("/v1/messages?wait=5", &one),
        post("/v1/messages", &one).header("idempotency-key", "order-42"),
        post("/v1/messages/batch", &json!({"messages": [one, one]})),
        get("/v1/messages"),
        get(&of_id("")),
        post(&of_id("/cancel"), &json!({})),
        post(&of_id("/retry"), &json!({})),
        get("/v1/accounts"),
        get("/health/ready").unsigned(),
    ] {
        let reply = gateway.call(call.clone()).await;
        let detail = reply.problem(503, "unavailable");
        assert_eq!(
            detail, "the store cannot be reached; the outcome of this call is not known",
            "{call:?}"
        );
        assert_eq!(retry_after(&reply), "5", "{call:?}");
    }
    // WeChat gives up after three times, so its word is kept beside the store.
    assert_eq!(gateway.call(receipt()).await.text(), "success");
    let live = gateway.call(get("/health/live").unsigned()).await;
    assert_eq!(live.status, 200, "the process is not to be killed for it");
    gateway.down().await;
    gateway.up().await;
    let listed = gateway.get("/v1/messages").await.json();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 1, "{listed}");
    gateway.finish().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_a_fault_of_ours_and_of_that_message_alone() {
    let gateway = TestGateway::start().await;
    let (bad, good) = (
        gateway.send(&message(&openid(1))).await,
        gateway.send(&message(&openid(2))).await,
    );
    for id in [&bad, &good] {
        gateway.until(id, "sent").await;
    }
    let (_, path) = gateway.store();
    let conn = rusqlite::Connection::open(path).unwrap();
    let spoil = format!("UPDATE messages SET status = 99 WHERE id = x'{bad}'");
    assert_eq!(conn.execute(&spoil, []).unwrap(), 1);
    let reply = gateway.get(&format!("/v1/messages/{bad}")).await;
    let detail = reply.problem(500, "internal");
    assert_eq!(
        detail,
        "the gateway failed; its log has more under the trace id"
    );
    assert!(
        !reply.headers.contains_key("retry-after"),
        "it would be the same again"
    );
    gateway.until(&good, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_gateway_that_stops_is_not_ready() {
    let mut gateway = TestGateway::with(Settings {
        server: "ops_listen = \"127.0.0.1:0\"".to_owned(),
        ..Settings::default()
    })
    .await;
    let ops = gateway.ops_address().to_owned();
    let ready = || get("/health/ready").unsigned().make(&ops);
    assert_eq!(ready().await.status, 200);
    gateway.sim.fault("slow=2s".parse().unwrap());
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sending").await;
    let asking = async {
        loop {
            let reply = ready().await;
            if reply.status != 200 {
                return reply;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let (reply, ()) = tokio::join!(asking, gateway.down());
    assert_eq!(reply.problem(503, "unavailable"), "the gateway is stopping");
    assert_eq!(retry_after(&reply), "5");
    gateway.up().await;
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}
