//! The kinds besides template messages: sent by their own calls, never twice, and settled by their own events.

use hongyan_wechat::callback::Mode;
use hongyan_wechat_sim::config::TemplateConfig;
use hongyan_wechat_sim::fault::{Endpoint, Place, What};
use hongyan_wechat_sim::{Fault, Push, ReceiptPolicy};
use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TEMPLATE, TestGateway, message, openid, template};

fn of_kind(kind: &str, fields: Value) -> Value {
    let mut body = message(&openid(1));
    body["kind"] = kind.into();
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn subscription() -> Value {
    of_kind(
        "subscription",
        json!({"page": "https://example.com/orders/42"}),
    )
}

fn one_time() -> Value {
    let fields = json!({"scene": 1000, "title": "预约提醒", "url": "https://example.com",
        "data": {"content": {"value": "明天九点"}}});
    of_kind("one_time_subscription", fields)
}

/// The user agrees to one message of the template.
fn accept(gateway: &TestGateway) {
    let push = Push::Popup {
        template_id: TEMPLATE.to_owned(),
        accept: true,
    };
    assert!(gateway.sim.push(APPID, &openid(1), push));
}

fn seen(gateway: &TestGateway) -> usize {
    gateway.sim.seen(&openid(1)).len()
}

#[tokio::test]
async fn a_subscription_message_is_delivered_without_a_msgid() {
    for mode in [Mode::Plain, Mode::Safe] {
        let gateway = TestGateway::with(Settings::receipts(mode)).await;
        accept(&gateway);
        let id = gateway.send(&subscription()).await;
        let message = gateway.until(&id, "delivered").await;
        assert_eq!(message["msgid"], Value::Null);
        assert_eq!(message["kind"], "subscription");
        assert_eq!(message["page"], "https://example.com/orders/42");
        assert_eq!(message["receipt"]["status"], "success");
        assert_eq!(gateway.sim.calls().bizsends, 1);
        gateway.finish().await;
    }
}

#[tokio::test]
async fn a_mini_programs_message_goes_by_its_own_call() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    accept(&gateway);
    let fields =
        json!({"page": "pages/order?id=42", "miniprogram_state": "trial", "lang": "en_US"});
    let id = gateway
        .send(&of_kind("miniprogram_subscription", fields))
        .await;
    gateway.until(&id, "delivered").await;
    assert_eq!(gateway.sim.calls().subscribe_sends, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_one_time_message_is_over_when_it_is_sent() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    accept(&gateway);
    let id = gateway.send(&one_time()).await;
    let message = gateway.until(&id, "sent").await;
    assert_eq!(
        (&message["scene"], &message["title"]),
        (&json!(1000), &json!("预约提醒"))
    );
    assert_eq!(gateway.sim.calls().one_time_sends, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_kind_that_wechat_does_not_grant_stops_no_other() {
    let gateway = TestGateway::start().await;
    accept(&gateway);
    for fault in ["code=48001:at=bizsend", "code=45009:at=one_time_send"] {
        gateway.sim.fault(fault.parse().unwrap());
    }
    let refused = [
        gateway.send(&subscription()).await,
        gateway.send(&one_time()).await,
    ];
    let held = |list: &Value| {
        let kinds = list["accounts"][0]["sending"]["held_kinds"].as_array();
        kinds.is_some_and(|kinds| kinds.len() == 2)
    };
    let list = gateway.until_reply("/v1/accounts", "held", held).await;
    let sending = &list["accounts"][0]["sending"];
    let [subscription, one_time] = [0, 1].map(|nth| &sending["held_kinds"][nth]);
    assert_eq!(subscription["reason"], "account_unusable", "{sending}");
    assert_eq!(one_time["reason"], "quota_exhausted", "{sending}");
    assert_eq!(sending["lane"], "open");
    let attention = gateway.get("/v1/attention").await.json();
    let items = attention["items"].as_array().unwrap();
    let kinds: Vec<&Value> = items
        .iter()
        .filter(|item| item["subject"] == "kind")
        .collect();
    assert_eq!(kinds.len(), 2, "{attention}");
    assert_eq!(kinds[0]["key"], "subscription");
    let urgent = gateway.send(&message(&openid(2))).await;
    gateway.until(&urgent, "sent").await;
    for id in refused {
        let waiting = gateway.get(&format!("/v1/messages/{id}")).await.json();
        assert_eq!(waiting["status"], "queued", "{waiting}");
    }
    // More of them are not tried, and say why they wait.
    let calls = gateway.sim.calls();
    let mut another = self::subscription();
    another["touser"] = json!(openid(3));
    let another = gateway.send(&another).await;
    let path = format!("/v1/messages/{another}");
    let waits = |message: &Value| message["reason"] == "account_unusable";
    gateway.until_reply(&path, "a reason", waits).await;
    assert_eq!(gateway.sim.calls().bizsends, calls.bizsends);
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_without_a_credit_is_refused() {
    let gateway = TestGateway::start().await;
    let id = gateway.send(&subscription()).await;
    let message = gateway.until(&id, "failed").await;
    assert_eq!(message["reason"], "user_refused");
    assert_eq!(message["attempts"][0]["errcode"], 43101);
    gateway.finish().await;
}

/// The warnings that a message is taken with.
async fn told(gateway: &TestGateway, body: &Value) -> (String, Value) {
    let reply = gateway.post("/v1/messages", body).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let answer = reply.json();
    let id = answer["id"].as_str().unwrap().to_owned();
    (id, answer["warnings"].clone())
}

const USED_UP: &str = "touser: has no agreement to this template left, as far as was heard; WeChat will probably refuse it \
    (43101)（据已收到的事件，该用户对此模板的订阅次数已用完，微信很可能拒绝（43101））";

#[tokio::test]
async fn a_sender_is_warned_that_what_the_user_agreed_to_is_used_up() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    accept(&gateway);
    let counted = |known: &Value| known["credits"][0]["left"] == 1;
    let path = format!("/v1/recipients/{}", openid(1));
    gateway.until_reply(&path, "counted", counted).await;
    let mut first = subscription();
    first["client_msg_id"] = json!("first");
    let (id, warnings) = told(&gateway, &first).await;
    assert_eq!(warnings, Value::Null);
    gateway.until(&id, "delivered").await;

    // The user agrees where the gateway does not hear of it.
    gateway.sim.world().rules_mut().credits = false;
    let dry = gateway
        .post("/v1/messages?dry_run=true", &subscription())
        .await;
    assert_eq!(dry.json()["warnings"], json!([USED_UP]));
    let (id, warnings) = told(&gateway, &subscription()).await;
    assert_eq!(warnings, json!([USED_UP]));
    gateway.until(&id, "delivered").await;
    let batch = json!({"messages": [subscription(), message(&openid(1)), first]});
    let reply = gateway.post("/v1/messages/batch", &batch).await.json();
    let results = reply["results"].as_array().unwrap();
    let warnings: Vec<&Value> = results.iter().map(|one| &one["warnings"]).collect();
    // A template message needs no agreement, and what is a repeat has used up its own.
    assert_eq!(warnings, [&json!([USED_UP]), &Value::Null, &Value::Null]);
    gateway.finish().await;
}

#[tokio::test]
async fn a_long_term_template_is_never_used_up() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    let long_term = TemplateConfig {
        long_term: true,
        ..template(&(TEMPLATE, "{{thing1.DATA}}"))
    };
    gateway.sim.world().add_template(APPID, &long_term);
    gateway.synced().await;
    accept(&gateway);
    let left = |left: u32| move |known: &Value| known["credits"][0]["left"] == left;
    let path = format!("/v1/recipients/{}", openid(1));
    gateway.until_reply(&path, "counted", left(1)).await;
    for _ in 0..2 {
        let (id, warnings) = told(&gateway, &subscription()).await;
        assert_eq!(warnings, Value::Null);
        gateway.until(&id, "delivered").await;
        gateway.until_reply(&path, "counted", left(0)).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_call_in_doubt_is_not_made_again() {
    let places = [
        (Endpoint::BizSend, subscription()),
        (Endpoint::OneTimeSend, one_time()),
    ];
    for (endpoint, body) in places {
        let gateway = TestGateway::start().await;
        gateway.sim.fault(
            Fault::new(What::CutAfterAccept)
                .at(Place::One(endpoint))
                .first(1),
        );
        accept(&gateway);
        accept(&gateway);
        let id = gateway.send(&body).await;
        let message = gateway.until(&id, "unconfirmed").await;
        assert_eq!(message["reason"], "outcome_unknown");
        assert_eq!(message["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(seen(&gateway), 1);
        let retry = format!("/v1/messages/{id}/retry");
        let refused = gateway.post(&retry, &json!({})).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        gateway.finish().await;
    }
}

#[tokio::test]
async fn an_event_settles_a_call_in_doubt() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Safe)).await;
    let cut = Fault::new(What::CutAfterAccept).at(Place::One(Endpoint::BizSend));
    gateway.sim.fault(cut.first(1));
    accept(&gateway);
    let id = gateway.send(&subscription()).await;
    gateway.until(&id, "delivered").await;
    assert_eq!(seen(&gateway), 1);
    gateway.finish().await;
}

#[tokio::test]
async fn an_event_that_says_no_fails_the_message() {
    let gateway = TestGateway::with(Settings::receipts(Mode::Plain)).await;
    gateway.sim.set_receipts(ReceiptPolicy {
        system_failed: 1.0,
        ..ReceiptPolicy::default()
    });
    accept(&gateway);
    accept(&gateway);
    let id = gateway.send(&subscription()).await;
    let message = gateway.until(&id, "failed").await;
    assert_eq!(message["reason"], "system_failed");
    assert_eq!(message["receipt"]["status"], "-1 system error");
    // WeChat said which message failed by its template alone, so it is not sent again.
    assert_eq!(gateway.sim.calls().bizsends, 1);
    gateway.finish().await;
}

#[tokio::test]
async fn a_kind_has_its_own_fields() {
    let gateway = TestGateway::start().await;
    let cases = [
        (
            of_kind("sms", json!({})),
            "kind",
            "must be one of template, subscription, one_time_subscription, miniprogram_subscription",
        ),
        (
            of_kind("subscription", json!({"url": "https://example.com"})),
            "url",
            "a message of kind subscription has no url; it has page, miniprogram, miniprogram_state, lang",
        ),
        (
            of_kind("template", json!({"page": "pages/order"})),
            "page",
            "a message of kind template has no page; it has url, miniprogram",
        ),
        (
            of_kind("subscription", json!({"lang": "de"})),
            "lang",
            "must be one of zh_CN, en_US, zh_HK, zh_TW",
        ),
        (
            of_kind("subscription", json!({"miniprogram_state": "beta"})),
            "miniprogram_state",
            "must be one of developer, trial, formal",
        ),
    ];
    for (body, field, problem) in cases {
        let reply = gateway.post("/v1/messages", &body).await;
        reply.problem(422, "invalid_message");
        assert_eq!(
            reply.json()["errors"],
            json!([{"field": field, "problem": problem}])
        );
    }
    let mut bare = one_time();
    for (field, value) in [("title", "一".repeat(16).into()), ("scene", json!(10_001))] {
        bare[field] = value;
    }
    bare["data"] = json!({"thing1": {"value": "x"}});
    let reply = gateway.post("/v1/messages", &bare).await;
    let told = reply.json()["errors"].clone();
    assert_eq!(
        told,
        json!([
            {"field": "data.content", "rule": "missing",
             "problem": "is missing; a one-time message shows this key alone",
             "problem_zh": "缺失：一次性订阅消息只显示该字段"},
            {"field": "scene", "rule": "scene.form", "length": 5,
             "problem": "(5 characters) does not fit: scene takes a number from 0 to 10000",
             "problem_zh": "（5 个字符）不符合规则：scene 只接受：0 到 10000 的整数"},
            {"field": "title", "rule": "title.length", "length": 16,
             "problem": "has 16 characters; title takes at most 15",
             "problem_zh": "有 16 个字符；title 最多 15 个"},
        ])
    );
    let mut long = one_time();
    long["data"] = json!({"content": {"value": "长".repeat(201)}});
    let reply = gateway.post("/v1/messages", &long).await;
    assert_eq!(
        reply.json()["errors"],
        json!([{"field": "data.content.value", "rule": "content.length", "length": 201,
            "problem": "has 201 characters; content takes at most 200",
            "problem_zh": "有 201 个字符；content 最多 200 个"}])
    );
    // What callers always send and leave empty says nothing.
    let empty = of_kind("subscription", json!({"url": "", "miniprogram": null}));
    assert_eq!(gateway.post("/v1/messages", &empty).await.status, 202);
    gateway.finish().await;
}
