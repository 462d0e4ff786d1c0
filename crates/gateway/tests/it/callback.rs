//! `/wechat/callback/{account}`: each mode, and everything that must not be believed.

mod attacks;
mod away;
mod hub;
mod misshapen;

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::envelope::{self, EncodingAesKey};
use hongyan_wechat::callback::{CallbackToken, Mode, signature};
use hongyan_wechat_sim::ReceiptPolicy;
use http::Method;
use serde_json::json;

use crate::harness::{
    ACCOUNT, APPID, CALLBACK_TOKEN, Call, Reply, Settings, TestGateway, message, openid,
};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

pub(crate) fn event(openid: &str, msgid: &str, status: &str) -> String {
    format!(
        "<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName><FromUserName><![CDATA[{openid}]]></FromUserName>\
         <CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>\
         <Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>{msgid}</MsgID>\
         <Status><![CDATA[{status}]]></Status></xml>"
    )
}

pub(crate) fn seconds(later: i64) -> String {
    (SystemClock::new().wall().0 / 1000 + later).to_string()
}

pub(crate) fn plain_query(timestamp: &str, nonce: &str) -> String {
    let signed = signature::sign(&CallbackToken::new(CALLBACK_TOKEN), timestamp, nonce);
    format!("signature={signed}&timestamp={timestamp}&nonce={nonce}")
}

pub(crate) fn sealed(openid: &str, msgid: &str) -> (String, String) {
    let key: EncodingAesKey = KEY.parse().unwrap();
    let receipt = event(openid, msgid, "success");
    signed_around(&envelope::encrypt(
        &key,
        APPID,
        receipt.as_bytes(),
        envelope::random(),
    ))
}

fn signed_around(encrypt: &str) -> (String, String) {
    let (timestamp, nonce) = (seconds(0), "n1");
    let token = CallbackToken::new(CALLBACK_TOKEN);
    let signed = signature::sign_encrypted(&token, &timestamp, nonce, encrypt);
    let query = format!(
        "{}&encrypt_type=aes&msg_signature={signed}",
        plain_query(&timestamp, nonce)
    );
    let body = format!(
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>"
    );
    (query, body)
}

pub(crate) async fn push(gateway: &TestGateway, query: &str, body: &str) -> Reply {
    push_to(gateway.address(), query, body).await
}

pub(crate) async fn push_to(host: &str, query: &str, body: &str) -> Reply {
    let path = format!("/wechat/callback/{ACCOUNT}?{query}");
    let call = Call::new(Method::POST, &path, body.to_owned());
    call.unsigned().make(host).await
}

/// A message that WeChat took and says nothing more about; its id and msgid.
async fn sent(gateway: &TestGateway) -> (String, String) {
    gateway.sim.set_receipts(ReceiptPolicy {
        lost: 1.0,
        ..ReceiptPolicy::default()
    });
    let id = gateway.send(&message(&openid(1))).await;
    let message = gateway.until(&id, "sent").await;
    (id, message["msgid"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn receipts_come_in_by_every_mode() {
    for mode in [Mode::Plain, Mode::Compatible, Mode::Safe] {
        let gateway = TestGateway::with(Settings::receipts(mode)).await;
        let id = gateway.send(&message(&openid(1))).await;
        gateway.until(&id, "delivered").await;
        gateway.finish().await;
    }
}

#[tokio::test]
async fn an_address_check_is_answered_verbatim_only_if_it_is_signed() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Safe)).await;
    let check = async |query: String| {
        let path = format!("/wechat/callback/{ACCOUNT}?{query}&echostr=4375120948345356249");
        gateway
            .call(Call::new(Method::GET, &path, "").unsigned())
            .await
    };
    let reply = check(plain_query(&seconds(0), "1514711492")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, "4375120948345356249")
    );
    check(format!("signature=00&timestamp={}&nonce=1", seconds(0)))
        .await
        .problem(403, "forbidden");
    check(plain_query(&seconds(-400), "1"))
        .await
        .problem(403, "forbidden");
    check(String::new()).await.problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn a_plain_address_serves_for_one_body_alone() {
    let mut gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let query = plain_query(&seconds(0), "n1");
    let other = event(&openid(1), "1", "success");
    assert_eq!(push(&gateway, &query, &other).await.text(), "success");
    assert_eq!(
        push(&gateway, &query, &other).await.text(),
        "success",
        "WeChat itself repeats"
    );
    for _ in 0..2 {
        let forged = push(&gateway, &query, &event(&openid(1), &msgid, "success")).await;
        assert_eq!(
            forged.problem(403, "forbidden"),
            "this call is not WeChat's"
        );
        gateway.restart().await;
    }
    gateway.until(&id, "sent").await;
    let good = push(
        &gateway,
        &plain_query(&seconds(0), "n2"),
        &event(&openid(1), &msgid, "success"),
    )
    .await;
    assert_eq!(good.text(), "success");
    gateway.until(&id, "delivered").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_address_of_another_event_does_not_serve_for_a_receipt() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let query = plain_query(&seconds(0), "n1");
    let text = "<xml><ToUserName>gh_1</ToUserName><FromUserName>o1</FromUserName><CreateTime>1</CreateTime>\
                <MsgType>text</MsgType><Content>hi</Content></xml>";
    assert_eq!(push(&gateway, &query, text).await.text(), "success");
    push(&gateway, &query, &event(&openid(1), &msgid, "success"))
        .await
        .problem(403, "forbidden");
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_address_of_a_check_does_not_serve_for_a_receipt() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let query = plain_query(&seconds(0), "n1");
    let path = format!("/wechat/callback/{ACCOUNT}?{query}&echostr=42");
    for what in ["WeChat checks", "WeChat itself repeats"] {
        let check = Call::new(Method::GET, &path, "").unsigned();
        assert_eq!(gateway.call(check).await.text(), "42", "{what}");
    }
    push(&gateway, &query, &event(&openid(1), &msgid, "success"))
        .await
        .problem(403, "forbidden");
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn the_address_of_a_body_that_cannot_be_read_does_not_serve_for_a_receipt() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let (id, msgid) = sent(&gateway).await;
    let receipt = event(&openid(1), &msgid, "success");
    for (nonce, body) in [("n1", "hello"), ("n2", "<xml><ToUser"), ("n3", "")] {
        let query = plain_query(&seconds(0), nonce);
        for body in [body, body, &receipt] {
            push(&gateway, &query, body).await.problem(403, "forbidden");
        }
        // Whoever has no signature spends nobody's address.
        let forged = format!("signature=00&timestamp={}&nonce=n4", seconds(0));
        push(&gateway, &forged, body)
            .await
            .problem(403, "forbidden");
    }
    gateway.until(&id, "sent").await;
    let good = push(&gateway, &plain_query(&seconds(0), "n4"), &receipt).await;
    assert_eq!(good.text(), "success");
    gateway.until(&id, "delivered").await;
    gateway.finish().await;
}

#[tokio::test]
async fn an_encrypted_mode_believes_no_plain_body() {
    for mode in [Mode::Safe, Mode::Compatible] {
        let gateway = TestGateway::with(Settings::receipts(mode)).await;
        let (id, msgid) = sent(&gateway).await;
        let body = event(&openid(1), &msgid, "success");
        let query = plain_query(&seconds(0), "n1");
        push(&gateway, &query, &body)
            .await
            .problem(403, "forbidden");
        push(&gateway, &format!("{query}&encrypt_type=raw"), &body)
            .await
            .problem(403, "forbidden");
        push(
            &gateway,
            &format!("{query}&encrypt_type=aes&msg_signature=00"),
            &body,
        )
        .await
        .problem(403, "forbidden");
        let (query, body) = sealed(&openid(1), "1");
        let smuggled = body.replace(
            "</xml>",
            &event(&openid(1), &msgid, "success").replace("<xml>", ""),
        );
        push(&gateway, &query, &smuggled).await;
        gateway.until(&id, "sent").await;
        let (query, body) = sealed(&openid(1), &msgid);
        assert_eq!(push(&gateway, &query, &body).await.text(), "success");
        gateway.until(&id, "delivered").await;
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_stale_or_misshapen_push_is_refused_without_hints() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let body = event(&openid(1), "1", "success");
    let fresh = plain_query(&seconds(0), "n1");
    for (query, body) in [
        (plain_query(&seconds(-301), "n1"), body.as_str()),
        (plain_query(&seconds(302), "n1"), &body),
        (plain_query("soon", "n1"), &body),
        (String::new(), &body),
        (fresh.replace("signature=", "signature=0"), &body),
        (fresh.clone(), ""),
        (fresh.clone(), "<xml>"),
        (fresh.clone(), "<!DOCTYPE x><xml></xml>"),
    ] {
        let reply = push(&gateway, &query, body).await;
        assert_eq!(
            reply.problem(403, "forbidden"),
            "this call is not WeChat's",
            "{query} {body}"
        );
    }
    let large = "x".repeat((1 << 20) + 1);
    push(&gateway, &fresh, &large)
        .await
        .problem(413, "too_large");
    let elsewhere = Call::new(
        Method::POST,
        &format!("/wechat/callback/other?{fresh}"),
        body,
    )
    .unsigned();
    gateway.call(elsewhere).await.problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn an_account_without_receipts_acknowledges_and_ignores_them() {
    let settings = Settings {
        account: "receipts = \"none\"".to_owned(),
        ..Settings::receipts(Mode::Plain)
    };
    let gateway = TestGateway::with(settings).await;
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    gateway
        .until_sim("its receipt answered", |sim| sim.receipts().answered == 1)
        .await;
    assert_nothing_came_of_it(gateway, &id).await;
}

/// What is told of users counts in every mode; and in none does its address serve for another body.
#[tokio::test]
async fn an_account_without_receipts_heeds_what_is_told_of_users() {
    let settings = Settings {
        account: "receipts = \"none\"".to_owned(),
        ..Settings::receipts(Mode::Plain)
    };
    let gateway = TestGateway::with(settings).await;
    let follower = |event: &str| {
        format!(
            "<xml><ToUserName>gh_1</ToUserName><FromUserName>{}</FromUserName><CreateTime>{}</CreateTime>\
             <MsgType>event</MsgType><Event>{event}</Event></xml>",
            openid(1),
            seconds(0)
        )
    };
    let receipt = plain_query(&seconds(0), "n1");
    let told = event(&openid(1), "1", "success");
    assert_eq!(push(&gateway, &receipt, &told).await.text(), "success");
    let forged = push(&gateway, &receipt, &follower("unsubscribe")).await;
    forged.problem(403, "forbidden");
    let id = gateway.send(&message(&openid(1))).await;
    gateway.until(&id, "sent").await;
    let left = plain_query(&seconds(0), "n2");
    assert_eq!(
        push(&gateway, &left, &follower("unsubscribe")).await.text(),
        "success"
    );
    let id = gateway.send(&message(&openid(1))).await;
    assert_eq!(
        gateway.until(&id, "suppressed").await["reason"],
        "not_subscribed"
    );
    gateway.finish().await;
}

/// The message is as it was when WeChat took it.
async fn assert_nothing_came_of_it(gateway: TestGateway, id: &str) {
    let message = gateway.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(
        (&message["status"], &message["receipt"]),
        (&json!("sent"), &json!(null))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn a_receipt_before_the_answer_to_its_call_is_joined() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Safe)).await;
    gateway.sim.set_receipts(ReceiptPolicy {
        before_response: 1.0,
        duplicate: 1.0,
        ..ReceiptPolicy::default()
    });
    for number in 0..20 {
        let id = gateway.send(&message(&openid(number))).await;
        gateway.until(&id, "delivered").await;
    }
    gateway.finish().await;
}
