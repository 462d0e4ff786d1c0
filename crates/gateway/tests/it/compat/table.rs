//! The tables of docs/compat.md, row by row: what an SDK sees of a message that is not simply sent.

use std::time::Duration;

use hongyan_courier::time::Clock;
use hongyan_gateway::clock::SystemClock;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{SEND, code, posted, token};
use crate::harness::{APPID, Settings, TestGateway, message, openid};

const ONE_TIME: &str = "/cgi-bin/message/template/subscribe";
/// Numbers of the gateway's own have fewer digits.
const WECHATS_OWN: i64 = 1_000_000_000_000_000_000;

/// What an SDK is told of a message that is stored and waits: taken, with a number by which it is found.
async fn waits(gateway: &TestGateway, status: &str) {
    let token = token(gateway).await;
    let began = std::time::Instant::now();
    let answer = posted(gateway, SEND, &token, &message(&openid(1))).await;
    assert!(began.elapsed() < Duration::from_secs(4), "SDKs give up");
    assert_eq!(code(&answer), 0, "{answer}");
    let number = answer["msgid"].as_i64().unwrap();
    assert!((1..WECHATS_OWN).contains(&number), "{number}");
    let found = gateway.get(&format!("/v1/messages?msgid={number}")).await;
    assert_eq!(found.json()["messages"][0]["status"], status);
}

#[tokio::test]
async fn what_wechat_refuses_for_good_has_its_code() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    // Template codes that stop the template come last: each has a template of its own.
    for (nth, errcode) in [
        40003, 43004, 43101, 43019, 50002, 47003, 40165, 40166, 40039, 45014, 40249, 43116, 40241,
    ]
    .into_iter()
    .enumerate()
    {
        let fault = format!("code={errcode}:at=send:first=1");
        gateway.sim.fault(fault.parse().unwrap());
        let mut body = message(&openid(nth));
        body["template_id"] = json!(format!("nR{nth:041}"));
        let answer = posted(&gateway, SEND, &token, &body).await;
        assert_eq!(code(&answer), errcode, "{answer}");
        assert_eq!(answer.get("msgid"), None, "{answer}");
        gateway.sim.clear_faults();
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_suppressed_recipient_has_the_code_of_the_reason() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    // Whom the account has black-listed is blocked like one who blocks the account.
    for (nth, (by_wechat, afterwards)) in [
        (40003, 40003),
        (43101, 43101),
        (43019, 43101),
        (50002, 50002),
    ]
    .into_iter()
    .enumerate()
    {
        let fault = format!("code={by_wechat}:at=send:first=1");
        gateway.sim.fault(fault.parse().unwrap());
        let body = message(&openid(nth));
        let first = posted(&gateway, SEND, &token, &body).await;
        assert_eq!(code(&first), by_wechat, "{first}");
        gateway.sim.clear_faults();
        let calls = gateway.sim.calls().sends;
        let answer = posted(&gateway, SEND, &token, &body).await;
        assert_eq!(code(&answer), afterwards, "{by_wechat}: {answer}");
        assert_eq!(gateway.sim.calls().sends, calls, "it costs no call");
    }
    let path = format!("/v1/recipients/{}/suppress", openid(9));
    assert_eq!(gateway.post(&path, &json!({})).await.status, 200);
    let answer = posted(&gateway, SEND, &token, &message(&openid(9))).await;
    assert_eq!(code(&answer), 43019, "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn what_comes_too_late_or_is_cancelled_is_not_said_to_be_sent() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    gateway.sim.stop().await;
    let mut body = message(&openid(1));
    let soon = SystemClock::new().now().plus(Duration::from_millis(500));
    body["expires_at"] = super::send::moment(soon).into();
    let late = posted(&gateway, SEND, &token, &body).await;
    assert_eq!(code(&late), 40097, "{late}");
    let body = message(&openid(2));
    let sending = posted(&gateway, SEND, &token, &body);
    let cancelling = async {
        let path = format!("/v1/messages?touser={}", openid(2));
        let stored = |page: &Value| page["messages"][0]["id"].is_string();
        let page = gateway.until_reply(&path, "stored", stored).await;
        let id = page["messages"][0]["id"].as_str().unwrap();
        let path = format!("/v1/messages/{id}/cancel");
        gateway.post(&path, &json!({})).await
    };
    let (answer, _) = tokio::join!(sending, cancelling);
    assert_eq!(code(&answer), 40097, "{answer}");
    gateway.sim.restart_on_same_port().await.unwrap();
    gateway.finish().await;
}

/// A kind that WeChat does not know again ends in doubt at once: the user may have it, so nobody is to send it again.
#[tokio::test]
async fn what_nobody_can_tell_of_is_never_answered_with_what_is_repeated() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    gateway.sim.fault("code=-1:at=bizsend".parse().unwrap());
    let path = "/cgi-bin/message/subscribe/bizsend";
    let answer = posted(&gateway, path, &token, &message(&openid(1))).await;
    assert_eq!(code(&answer), 0, "{answer}");
    let number = answer["msgid"].as_i64().unwrap();
    let found = gateway.get(&format!("/v1/messages?msgid={number}")).await;
    assert_eq!(found.json()["messages"][0]["status"], "unconfirmed");
    gateway.finish().await;
}

#[tokio::test]
async fn a_spent_quota_is_waited_out() {
    let gateway = TestGateway::start().await;
    gateway.sim.set_daily_quota(APPID, 0);
    waits(&gateway, "queued").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_stopped_account_is_waited_for() {
    let settings = Settings {
        secret: "not-the-secret".to_owned(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    gateway.until_stopped().await;
    waits(&gateway, "queued").await;
    gateway.sim.set_secret(APPID, "not-the-secret");
    gateway.finish().await;
}

#[tokio::test]
async fn a_template_that_may_come_back_is_waited_for() {
    let gateway = TestGateway::start().await;
    gateway
        .sim
        .fault("code=40037:at=send:first=1".parse().unwrap());
    waits(&gateway, "queued").await;
    gateway.finish().await;
}

#[tokio::test]
async fn whoever_sends_too_much_is_told_to_come_back_in_a_minute() {
    for (limit, allowed) in [("client", 3), ("account", 2)] {
        let limits = format!("[limits]\n{limit} = {{ burst = {allowed}, per_second = 0.01 }}\n");
        let settings = Settings {
            more: limits,
            ..Settings::default()
        };
        let gateway = TestGateway::with(settings).await;
        let token = token(&gateway).await;
        let mut codes = Vec::new();
        for nth in 0..3 {
            codes.push(code(
                &posted(&gateway, SEND, &token, &message(&openid(nth))).await,
            ));
        }
        assert_eq!(codes, [0, 0, 45011], "{limit}");
        assert_eq!(gateway.sim.calls().sends, 2, "nothing of it was stored");
        gateway.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_keeps_nobody_waiting() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let database = Connection::open(gateway.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    let answer = posted(&gateway, SEND, &token, &message(&openid(1))).await;
    assert!(
        began.elapsed() < Duration::from_millis(4_900),
        "SDKs give up"
    );
    database.execute_batch("ROLLBACK").unwrap();
    assert_eq!(code(&answer), 40097, "nobody can tell: {answer}");
    let words = answer["errmsg"].as_str().unwrap();
    assert!(words.contains("look before sending it again"), "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn every_field_has_the_code_that_the_table_says() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let long = "x".repeat(4_000);
    for (field, value, errcode) in [
        ("touser", json!(7), 40003),
        ("template_id", json!(long), 40036),
        ("url", json!("no address"), 40039),
        ("miniprogram", json!({"appid": "no"}), 40166),
        (
            "miniprogram",
            json!({"appid": APPID, "pagepath": long}),
            40165,
        ),
        ("client_msg_id", json!(long), 40035),
        ("priority", json!("soon"), 40097),
        ("data", json!({}), 47003),
    ] {
        let mut body = message(&openid(1));
        body[field] = value;
        let answer = posted(&gateway, SEND, &token, &body).await;
        assert_eq!(code(&answer), errcode, "{field}: {answer}");
    }
    let one_time = json!({"touser": openid(2), "template_id": "t", "scene": "no", "title": "t",
        "data": {"content": {"value": "text"}}});
    let answer = posted(&gateway, ONE_TIME, &token, &one_time).await;
    assert_eq!(code(&answer), 40097, "{answer}");
    let page = json!({"touser": openid(2), "template_id": "t", "page": long,
        "data": {"thing1": {"value": "text"}}});
    let path = "/cgi-bin/message/subscribe/bizsend";
    assert_eq!(code(&posted(&gateway, path, &token, &page).await), 41030);
    assert_eq!(gateway.sim.calls().sends, 0);
    gateway.finish().await;
}
