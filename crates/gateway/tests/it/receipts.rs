//! Each word that WeChat may say later of a message: where the message stands then, and whom a human should look at.

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::{CallbackToken, Mode, signature};
use hongyan_wechat_sim::ReceiptPolicy;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, CALLBACK_TOKEN, Call, Settings, TestGateway, message, openid};

/// What follows from a word.
struct Row {
    word: &'static str,
    status: &'static str,
    reason: &'static str,
    /// Whether its recipient is flagged, under the reason.
    flagged: bool,
}

const ROWS: [Row; 5] = [
    row("failed:user block", "failed", "user_blocked", true),
    row("failed:freq limit", "failed", "frequency_limited", true),
    // WeChat's own trouble: sent anew after a pause.
    row("failed: system failed", "queued", "system_failed", false),
    row("failed:new word", "failed", "receipt_failed", false),
    row("whatever", "failed", "receipt_failed", false),
];

const fn row(word: &'static str, status: &'static str, reason: &'static str, flagged: bool) -> Row {
    Row {
        word,
        status,
        reason,
        flagged,
    }
}

async fn push(gateway: &TestGateway, openid: &str, msgid: &str, word: &str) {
    let timestamp = (SystemClock::new().wall().0 / 1000).to_string();
    let signed = signature::sign(&CallbackToken::new(CALLBACK_TOKEN), &timestamp, msgid);
    let path = format!(
        "/wechat/callback/{ACCOUNT}?signature={signed}&timestamp={timestamp}&nonce={msgid}"
    );
    let event = format!(
        "<xml><ToUserName>gh_7f083739789a</ToUserName><FromUserName>{openid}</FromUserName>\
         <CreateTime>1395658920</CreateTime><MsgType>event</MsgType><Event>TEMPLATESENDJOBFINISH</Event>\
         <MsgID>{msgid}</MsgID><Status><![CDATA[{word}]]></Status></xml>"
    );
    let reply = gateway
        .call(Call::new(Method::POST, &path, event).unsigned())
        .await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "success"));
}

fn moment(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_word_of_a_receipt_has_its_consequence() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    gateway.sim.set_receipts(ReceiptPolicy {
        lost: 1.0,
        ..ReceiptPolicy::default()
    });
    let mut flags = Vec::new();
    for (number, row) in ROWS.iter().enumerate() {
        let openid = openid(number);
        let id = gateway.send(&message(&openid)).await;
        let sent = gateway.until(&id, "sent").await;
        push(&gateway, &openid, sent["msgid"].as_str().unwrap(), row.word).await;
        let shown = gateway.until(&id, row.status).await;
        assert_eq!(shown["reason"], row.reason, "{}", row.word);
        assert_eq!(shown["receipt"]["status"], row.word);
        if row.status == "queued" {
            let pause = moment(&shown["next_attempt_at"]) - moment(&shown["receipt"]["at"]);
            assert!(pause.get_seconds() >= 30, "{pause}");
        } else {
            assert!(shown["next_attempt_at"].is_null(), "{}", row.word);
        }
        assert_eq!(gateway.sim.calls().sends, number as u64 + 1, "{}", row.word);
        if row.flagged {
            flags.push((openid, row.reason));
        }
    }
    let accounts = gateway.get("/v1/accounts").await.json();
    let mut shown: Vec<(String, &str)> = Vec::new();
    for flag in accounts["accounts"][0]["flags"].as_array().unwrap() {
        assert_eq!(
            (&flag["subject"], &flag["errcode"]),
            (&json!("recipient"), &Value::Null)
        );
        let key = flag["key"].as_str().unwrap().to_owned();
        shown.push((key, flag["reason"].as_str().unwrap()));
    }
    shown.sort_unstable();
    assert_eq!(shown, flags);
    gateway.finish().await;
}
