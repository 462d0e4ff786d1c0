//! Messages as SDKs send them: stored like any other, and answered with what WeChat said, if it said so in time.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_gateway::api::moments::Moment;
use hongyan_gateway::clock::SystemClock;
use hongyan_wechat_sim::world::FollowerState;
use http::Method;
use serde_json::{Value, json};

use super::{LISTED, SEND, code, got, posted, raw, said, token};
use crate::harness::{APPID, Settings, TestGateway, message, openid};

const PICKUP: &str = "取餐码:{{character_string1.DATA}}\n商品:{{thing1.DATA}}";

/// The one message that a msgid finds.
async fn by_msgid(gateway: &TestGateway, msgid: &Value) -> Value {
    let page = gateway
        .get(&format!("/v1/messages?msgid={msgid}"))
        .await
        .json();
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(1), "{page}");
    page["messages"][0].clone()
}

#[tokio::test]
async fn a_message_is_answered_with_wechats_own_msgid() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    // As SDKs dress it: what WeChat ignores is ignored.
    let mut body = message(&openid(1));
    body["topcolor"] = json!("#173177");
    body["url"] = json!("");
    body["miniprogram"] = json!({"appid": "", "pagepath": ""});
    body["data"]["thing1"]["color"] = json!("#173177");
    body["whatever"] = json!({"is": "not known"});
    let answer = posted(&gateway, SEND, &token, &body).await;
    assert_eq!(
        (code(&answer), &answer["errmsg"]),
        (0, &json!("ok")),
        "{answer}"
    );
    let seen = gateway.sim.seen(&openid(1));
    assert_eq!(answer["msgid"], json!(seen[0].msgid));
    let found = by_msgid(&gateway, &answer["msgid"]).await;
    assert_eq!(found["status"], "sent");
    assert_eq!(found["account"], "clinic");
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_that_waits_has_a_number_that_finds_it() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let mut body = message(&openid(1));
    let in_an_hour = SystemClock::new().wall().plus(Duration::from_secs(3600));
    body["send_at"] = json!(moment(in_an_hour));
    let answer = posted(&gateway, SEND, &token, &body).await;
    assert_eq!(code(&answer), 0, "{answer}");
    let number = answer["msgid"].as_i64().unwrap();
    assert!(number < 1_000_000_000_000_000_000, "{number}");
    let found = by_msgid(&gateway, &answer["msgid"]).await;
    assert_eq!(found["status"], "queued");
    gateway.finish().await;
}

pub(super) fn moment(at: UnixMs) -> String {
    serde_json::to_value(Moment(at))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_slow_wechat_does_not_keep_an_sdk_waiting() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    gateway.sim.set_latency(Duration::from_secs(4));
    let began = std::time::Instant::now();
    let answer = posted(&gateway, SEND, &token, &message(&openid(1))).await;
    let took = began.elapsed().as_secs_f32();
    assert!((2.5..4.0).contains(&took), "{took} s");
    assert_eq!(
        code(&answer),
        0,
        "it is stored, so it is never -1: {answer}"
    );
    let found = by_msgid(&gateway, &answer["msgid"]).await;
    assert!(["queued", "sending"].contains(&found["status"].as_str().unwrap()));
    let id = found["id"].as_str().unwrap();
    gateway.until(id, "sent").await;
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn what_wechat_refuses_is_answered_in_its_words_and_then_by_the_gateway() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    for (nth, (state, errcode, words)) in [
        (
            FollowerState::Refused,
            43101,
            "user refuse to accept the msg",
        ),
        (FollowerState::Unsubscribed, 43004, "require subscribe"),
        (
            FollowerState::Blacklisted,
            43019,
            "require remove blacklist",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let user = openid(nth);
        gateway.sim.add_follower(APPID, &user, state);
        let answer = posted(&gateway, SEND, &token, &message(&user)).await;
        assert_eq!(code(&answer), errcode, "{answer}");
        let errmsg = answer["errmsg"].as_str().unwrap();
        assert!(
            errmsg.starts_with(words) && errmsg.contains(" rid: "),
            "{errmsg}"
        );
        assert_eq!(answer.get("msgid"), None);
    }
    // From now on that user costs no call.
    let before = gateway.sim.calls().sends;
    let answer = posted(&gateway, SEND, &token, &message(&openid(0))).await;
    assert_eq!(code(&answer), 43101, "{answer}");
    assert_eq!(gateway.sim.calls().sends, before);
    let answer = posted(&gateway, SEND, &token, &message("not-an-openid")).await;
    assert_eq!(code(&answer), 40003, "{answer}");
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_message_has_wechats_code() {
    let gateway = TestGateway::with(Settings::listing(&[(LISTED, PICKUP)])).await;
    gateway.until_listed().await;
    let token = token(&gateway).await;
    let good = json!({"touser": openid(1), "template_id": LISTED,
        "data": {"character_string1": {"value": "A1"}, "thing1": {"value": "咖啡"}}});
    let with = |path: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(path).unwrap() = value;
        body.to_string()
    };
    for (body, errcode, words) in [
        ("{".to_owned(), 47001, "data format error"),
        ("[]".to_owned(), 47001, "data format error"),
        (String::new(), 44002, "empty post data"),
        ("{}".to_owned(), 40003, "invalid openid"),
        (with("/touser", json!("")), 40003, "invalid openid"),
        (
            with("/template_id", json!("")),
            40036,
            "invalid template_id size",
        ),
        (
            with("/template_id", json!("unknown")),
            40037,
            "invalid template_id",
        ),
        (
            with("/data", json!("{}")),
            47003,
            "argument invalid! data invalid",
        ),
        (
            with("/data/thing1/value", json!("")),
            47003,
            "argument invalid! data.thing1.value is empty",
        ),
        (
            with("/data/thing1/value", json!("长".repeat(21))),
            47003,
            "argument invalid! data.thing1.value invalid",
        ),
        (
            with("/data/thing1", json!({})),
            47003,
            "argument invalid! data.thing1.value is empty",
        ),
    ] {
        let call = raw(Method::POST, &format!("{SEND}?access_token={token}"), &body);
        let answer = said(&gateway, call).await;
        assert_eq!(code(&answer), errcode, "{body}: {answer}");
        let errmsg = answer["errmsg"].as_str().unwrap();
        assert!(errmsg.starts_with(words), "{errmsg}");
        assert!(!errmsg.contains('长'), "a value is nobody's to repeat");
    }
    assert_eq!(gateway.sim.calls().sends, 0);
    let whole = raw(
        Method::POST,
        &format!("{SEND}?access_token={token}"),
        &good.to_string(),
    );
    assert_eq!(code(&said(&gateway, whole).await), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn a_client_msg_id_sends_one_message() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let mut body = message(&openid(1));
    body["client_msg_id"] = json!("order-42");
    let first = posted(&gateway, SEND, &token, &body).await;
    let again = posted(&gateway, SEND, &token, &body).await;
    assert_eq!((code(&first), &first), (0, &again));
    body["data"]["thing1"]["value"] = json!("something else");
    let other = posted(&gateway, SEND, &token, &body).await;
    assert_eq!(code(&other), 44007, "{other}");
    assert_eq!(gateway.sim.seen(&openid(1)).len(), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn subscription_messages_have_their_own_calls() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    let mut body = message(&openid(1));
    // A service account's SDK may send along what only template messages have.
    body["url"] = json!("https://example.com/");
    let refused = posted(
        &gateway,
        "/cgi-bin/message/subscribe/bizsend",
        &token,
        &body,
    )
    .await;
    assert_eq!(code(&refused), 43101, "nobody agreed to it: {refused}");
    let one_time = json!({"touser": openid(2), "template_id": body["template_id"], "url": null,
        "scene": "1000", "title": "title", "data": {"content": {"value": "text", "color": "#f00"}}});
    let path = "/cgi-bin/message/template/subscribe";
    let refused = posted(&gateway, path, &token, &one_time).await;
    assert_eq!(code(&refused), 43101, "{refused}");
    let mut untitled = one_time.clone();
    untitled["title"] = json!("longer than the fifteen that WeChat takes");
    assert_eq!(
        code(&posted(&gateway, path, &token, &untitled).await),
        40062
    );
    let calls = gateway.sim.calls();
    assert_eq!((calls.bizsends, calls.one_time_sends), (1, 1));
    gateway.finish().await;
}

#[tokio::test]
async fn what_is_tried_again_is_never_answered_with_what_sdks_repeat() {
    let gateway = TestGateway::start().await;
    let token = token(&gateway).await;
    gateway
        .sim
        .fault("code=-1:at=send:first=1".parse().unwrap());
    let answer = posted(&gateway, SEND, &token, &message(&openid(1))).await;
    assert_eq!(code(&answer), 0, "{answer}");
    gateway.sim.clear_faults();
    assert!(gateway.sim.revoke_tokens(APPID));
    let answer = posted(&gateway, SEND, &token, &message(&openid(2))).await;
    assert_eq!(
        code(&answer),
        0,
        "a bad real token is not the SDK's trouble: {answer}"
    );
    let found = by_msgid(&gateway, &answer["msgid"]).await;
    gateway.until(found["id"].as_str().unwrap(), "sent").await;
    assert_eq!(code(&got(&gateway, "/cgi-bin/user/get", &token).await), 0);
    gateway.finish().await;
}
