//! `POST /v1/accounts/{name}/receipts`: events that another program received and passes on.

use hongyan_wechat::callback::envelope::{self, EncodingAesKey};
use http::Method;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, APPID, Call, Reply, Settings, TestGateway, message, openid};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

fn settings(account: &str) -> Settings {
    Settings {
        account: account.to_owned(),
        ..Settings::default()
    }
}

async fn forward(gateway: &TestGateway, body: &str) -> Reply {
    let path = format!("/v1/accounts/{ACCOUNT}/receipts");
    gateway
        .call(Call::new(Method::POST, &path, body.to_owned()))
        .await
}

fn xml(msgid: &str, status: &str) -> String {
    format!(
        "<xml><ToUserName>gh_1</ToUserName><FromUserName>{}</FromUserName><CreateTime>1395658920</CreateTime>\
         <MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event><MsgID>{msgid}</MsgID><Status>{status}</Status></xml>",
        openid(1)
    )
}

fn as_json(msgid: &str) -> String {
    json!({"ToUserName": "gh_1", "FromUserName": openid(1), "CreateTime": 1_395_658_920, "MsgType": "event",
        "Event": "TEMPLATESENDJOBFINISH", "MsgID": msgid.parse::<i64>().unwrap(), "Status": "success"})
    .to_string()
}

fn encrypted(plain: &str) -> String {
    let key: EncodingAesKey = KEY.parse().unwrap();
    let encrypt = envelope::encrypt(&key, APPID, plain.as_bytes(), envelope::random());
    format!("<xml><ToUserName>gh_1</ToUserName><Encrypt>{encrypt}</Encrypt></xml>")
}

#[tokio::test]
async fn a_forwarded_event_settles_its_message_however_it_is_written() {
    let lines = format!("receipts = \"forwarded\"\nencoding_aes_key = \"{KEY}\"");
    let gateway = TestGateway::with(settings(&lines)).await;
    for written in [
        |msgid: &str| xml(msgid, "success"),
        |msgid: &str| as_json(msgid),
        |msgid: &str| encrypted(&xml(msgid, "success")),
    ] {
        let id = gateway.send(&message(&openid(1))).await;
        let sent = gateway.until(&id, "sent").await;
        let body = written(sent["msgid"].as_str().unwrap());
        let reply = forward(&gateway, &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let joined = json!({"result": "joined", "message": id, "status": "delivered"});
        assert_eq!(
            reply.json(),
            json!({"event": "TEMPLATESENDJOBFINISH", "receipts": [joined]})
        );
        let again = forward(&gateway, &body).await.json();
        assert_eq!(again["receipts"][0]["result"], "known");
    }
    let unknown = forward(&gateway, &xml("1", "success")).await.json();
    assert_eq!(unknown["receipts"][0]["result"], "kept");
    gateway.finish().await;
}

#[tokio::test]
async fn other_events_are_taken_and_what_is_none_is_refused() {
    let gateway = TestGateway::with(settings("receipts = \"forwarded\"")).await;
    let text = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
        <MsgType>text</MsgType><Content>hi</Content></xml>";
    let reply = forward(&gateway, text).await;
    assert_eq!(reply.json(), json!({"event": "text", "receipts": []}));
    for body in ["", "{}", "no event", &encrypted("<xml></xml>")] {
        forward(&gateway, body).await.problem(400, "malformed");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn receipts_are_forwarded_for_accounts_that_say_so_by_clients_that_may() {
    let gateway = TestGateway::with(settings("")).await;
    forward(&gateway, &xml("1", "success"))
        .await
        .problem(409, "conflict");
    let elsewhere = Call::new(
        Method::POST,
        "/v1/accounts/school/receipts",
        xml("1", "success"),
    );
    gateway.call(elsewhere).await.problem(404, "not_found");
    gateway.finish().await;
    let gateway = TestGateway::with(Settings {
        scopes: vec!["messages:send", "messages:read"],
        ..settings("receipts = \"forwarded\"")
    })
    .await;
    forward(&gateway, &xml("1", "success"))
        .await
        .problem(403, "forbidden");
    let stored: Value = gateway.get("/v1/messages").await.json();
    assert_eq!(stored["messages"], json!([]));
    gateway.finish().await;
}
