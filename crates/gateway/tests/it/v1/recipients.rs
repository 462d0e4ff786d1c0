//! `/v1/recipients`: who is suppressed by what WeChat says or by a person costs no call, and is written to again when that
//! is over.

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat::callback::{CallbackToken, Mode, signature};
use hongyan_wechat_sim::world::FollowerState;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, APPID, CALLBACK_TOKEN, Call, Settings, TEMPLATE, TestGateway, message, openid,
};

/// WeChat pushes an event about a user, `later` seconds from now by its clock.
pub(super) async fn push(gateway: &TestGateway, openid: &str, event: &str, later: i64, more: &str) {
    let now = SystemClock::new().wall().0 / 1000;
    let (timestamp, nonce) = (now.to_string(), format!("{openid}{event}{later}"));
    let signed = signature::sign(&CallbackToken::new(CALLBACK_TOKEN), &timestamp, &nonce);
    let path = format!(
        "/wechat/callback/{ACCOUNT}?signature={signed}&timestamp={timestamp}&nonce={nonce}"
    );
    let body = format!(
        "<xml><ToUserName>gh_7f083739789a</ToUserName><FromUserName>{openid}</FromUserName>\
         <CreateTime>{}</CreateTime><MsgType>event</MsgType><Event>{event}</Event>{more}</xml>",
        now + later
    );
    let reply = gateway
        .call(Call::new(Method::POST, &path, body).unsigned())
        .await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "success"));
}

fn path(number: usize) -> String {
    format!("/v1/recipients/{}", openid(number))
}

async fn known(gateway: &TestGateway, number: usize) -> Value {
    gateway.get(&path(number)).await.json()
}

/// Hands over a message, and what became of it at once.
async fn handed_over(gateway: &TestGateway, number: usize) -> Value {
    let reply = gateway
        .post("/v1/messages", &message(&openid(number)))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    reply.json()
}

async fn suppressed(gateway: &TestGateway, number: usize, reason: &str) -> String {
    let sends = gateway.sim.calls().sends;
    let answer = handed_over(gateway, number).await;
    assert_eq!(
        (&answer["status"], &answer["reason"]),
        (&json!("suppressed"), &json!(reason)),
        "{answer}"
    );
    let id = answer["id"].as_str().unwrap().to_owned();
    let shown = gateway.until(&id, "suppressed").await;
    assert_eq!(
        (&shown["reason"], &shown["attempts"]),
        (&json!(reason), &json!([]))
    );
    assert_eq!(gateway.sim.calls().sends, sends, "it cost a call");
    id
}

async fn sent(gateway: &TestGateway, number: usize) -> String {
    let answer = handed_over(gateway, number).await;
    let id = answer["id"].as_str().unwrap().to_owned();
    gateway.until(&id, "sent").await;
    id
}

#[tokio::test]
async fn whoever_unsubscribes_costs_no_call_until_they_follow_again() {
    let mut gateway = TestGateway::with(receipts_lost()).await;
    silent(&gateway);
    assert_eq!(known(&gateway, 1).await["state"], "unknown");
    sent(&gateway, 1).await;
    push(&gateway, &openid(1), "unsubscribe", 1, "").await;
    let id = suppressed(&gateway, 1, "not_subscribed").await;
    let shown = known(&gateway, 1).await;
    assert_eq!(
        (&shown["state"], &shown["source"]),
        (&json!("unsubscribed"), &json!("event"))
    );
    let one = &shown["suppressions"][0];
    assert_eq!(
        (&one["reason"], &one["template_id"]),
        (&json!("not_subscribed"), &Value::Null)
    );
    gateway.restart().await;
    suppressed(&gateway, 1, "not_subscribed").await;
    let listed = gateway
        .get("/v1/messages?status=suppressed&reason=not_subscribed")
        .await;
    assert_eq!(listed.json()["messages"].as_array().unwrap().len(), 2);

    push(&gateway, &openid(1), "subscribe", 2, "").await;
    assert_eq!(known(&gateway, 1).await["suppressions"], json!([]));
    sent(&gateway, 1).await;
    // What was suppressed can be sent again now.
    gateway
        .post(&format!("/v1/messages/{id}/retry"), &json!({}))
        .await;
    gateway.until(&id, "sent").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_overrides_what_is_recorded_if_its_client_may_change_that() {
    let mut gateway = TestGateway::start().await;
    let suppress = format!("{}/suppress", path(1));
    gateway.post(&suppress, &json!({})).await;
    suppressed(&gateway, 1, "suppressed_by_operator").await;
    let mut urgent = message(&openid(1));
    urgent["override_suppression"] = json!(true);
    let id = gateway.send(&urgent).await;
    let shown = gateway.until(&id, "sent").await;
    assert_eq!(shown["override_suppression"], true, "{shown}");
    suppressed(&gateway, 1, "suppressed_by_operator").await;

    gateway.down().await;
    gateway.settings.scopes = vec!["messages:send", "messages:read"];
    gateway.up().await;
    let refused = gateway.post("/v1/messages", &urgent).await;
    let refused = refused.problem(422, "invalid_message");
    assert!(
        refused.starts_with("override_suppression: is for clients with the scope recipients"),
        "{refused}"
    );
    gateway.finish().await;
}

fn in_days(days: i64) -> String {
    let at = SystemClock::new().wall().0 + days * 86_400_000;
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

#[tokio::test]
async fn a_dry_run_says_what_is_held_back_from_its_recipient() {
    let gateway = TestGateway::start().await;
    let dry_run = async |number: usize, more: Value| {
        let mut body = message(&openid(number));
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let reply = gateway.post("/v1/messages?dry_run=true", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        (answer["would"].clone(), answer["reason"].clone())
    };
    let none = json!({});
    let send = (json!("send"), Value::Null);
    let suppressed = (json!("suppress"), json!("suppressed_by_operator"));
    let limited = (json!("wait"), json!("frequency_limited"));
    assert_eq!(dry_run(1, none.clone()).await, send);
    let for_a_day = json!({"expires_at": in_days(1)});
    let suppress = format!("{}/suppress", path(1));
    let reply = gateway.post(&suppress, &for_a_day).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(dry_run(1, none.clone()).await, suppressed);
    let later = json!({"send_at": in_days(2)});
    assert_eq!(dry_run(1, later).await, send, "it has run out by then");
    let all_the_same = json!({"override_suppression": true});
    assert_eq!(dry_run(1, all_the_same).await, send);

    gateway.sim.fault("code=43117:first=1".parse().unwrap());
    let id = gateway.send(&message(&openid(2))).await;
    let waits = |message: &Value| message["reason"] == "frequency_limited";
    let waiting = format!("/v1/messages/{id}");
    gateway.until_reply(&waiting, "waiting", waits).await;
    assert_eq!(dry_run(2, none.clone()).await, limited);
    assert_eq!(dry_run(3, none).await, send);
    gateway.finish().await;
}

fn receipts_lost() -> Settings {
    Settings::receipts(Mode::Plain)
}

fn silent(gateway: &TestGateway) {
    gateway.sim.set_receipts(hongyan_wechat_sim::ReceiptPolicy {
        lost: 1.0,
        ..Default::default()
    });
}

#[tokio::test]
async fn whom_wechat_refuses_is_confirmed_before_they_are_suppressed() {
    let gateway = TestGateway::start().await;
    let gone = FollowerState::Unsubscribed;
    assert!(gateway.sim.add_follower(APPID, &openid(1), gone));
    // Said of one who follows, as happens.
    gateway.sim.fault("code=43004:first=1".parse().unwrap());
    for number in [2, 1] {
        let id = handed_over(&gateway, number).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let failed = gateway.until(&id, "failed").await;
        assert_eq!(failed["reason"], "not_subscribed");
    }
    for (number, state) in [(1, "unsubscribed"), (2, "subscribed")] {
        let shown = gateway
            .until_reply(&path(number), state, |known| known["state"] == state)
            .await;
        assert_eq!(shown["source"], "user_info");
        assert_eq!(shown["confirming"], false);
    }
    suppressed(&gateway, 1, "not_subscribed").await;
    sent(&gateway, 2).await;
    assert_eq!(gateway.sim.calls().user_info, 2);
    gateway.finish().await;
}

#[tokio::test]
async fn a_refused_template_leaves_the_others_and_an_agreement_is_counted() {
    let gateway = TestGateway::with(receipts_lost()).await;
    silent(&gateway);
    gateway.sim.fault("code=43101:first=1".parse().unwrap());
    let id = handed_over(&gateway, 1).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(gateway.until(&id, "failed").await["reason"], "user_refused");
    suppressed(&gateway, 1, "user_refused").await;
    let mut other = message(&openid(1));
    other["template_id"] = json!(TEMPLATE.replace('n', "m"));
    let other = gateway.send(&other).await;
    gateway.until(&other, "sent").await;
    let accepts = format!(
        "<SubscribeMsgPopupEvent><List><TemplateId>{TEMPLATE}</TemplateId>\
         <SubscribeStatusString>accept</SubscribeStatusString><PopupScene>1</PopupScene></List>\
         </SubscribeMsgPopupEvent>"
    );
    for _ in 0..2 {
        push(
            &gateway,
            &openid(1),
            "subscribe_msg_popup_event",
            1,
            &accepts,
        )
        .await;
    }
    let shown = known(&gateway, 1).await;
    assert_eq!(shown["suppressions"], json!([]));
    assert_eq!(
        shown["credits"],
        json!([{"template_id": TEMPLATE, "left": 1}])
    );
    sent(&gateway, 1).await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_person_stops_messages_to_somebody_and_lets_them_go_again() {
    let gateway = TestGateway::start().await;
    let wish = json!({"note": "asked us by phone"});
    let reply = gateway.post(&format!("{}/suppress", path(1)), &wish).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let one = &reply.json()["suppressions"][0];
    assert_eq!(
        (&one["source"], &one["note"]),
        (&json!("operator"), &wish["note"])
    );
    suppressed(&gateway, 1, "suppressed_by_operator").await;
    let template = json!({"template_id": TEMPLATE, "expires_at": "2099-01-01T00:00:00Z"});
    gateway
        .post(&format!("{}/suppress", path(2)), &template)
        .await;
    suppressed(&gateway, 2, "suppressed_by_operator").await;

    let first = gateway.get("/v1/recipients?limit=1").await.json();
    assert_eq!(first["suppressions"][0]["openid"], openid(2));
    assert_eq!(first["suppressions"][0]["template_id"], TEMPLATE);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = format!("/v1/recipients?limit=1&account={ACCOUNT}&cursor={cursor}");
    let next = gateway.get(&next).await.json();
    assert_eq!(next["suppressions"][0]["openid"], openid(1));
    assert_eq!(next["next_cursor"], Value::Null);
    let none = gateway
        .get("/v1/recipients?reason=user_refused")
        .await
        .json();
    assert_eq!(none["suppressions"], json!([]));

    for number in [1, 2] {
        let reply = gateway
            .post(&format!("{}/resume", path(number)), &json!({}))
            .await;
        assert_eq!(reply.json()["suppressions"], json!([]));
        sent(&gateway, number).await;
    }
    gateway.finish().await;
}

#[tokio::test]
async fn what_waits_for_a_recipient_goes_on_when_a_person_resumes_them() {
    let gateway = TestGateway::start().await;
    for (number, wish) in [
        (1, json!({})),
        (2, json!({"override_until": "2099-01-01T00:00:00Z"})),
    ] {
        gateway.sim.fault("code=43117:first=1".parse().unwrap());
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let id = gateway.send(&message(&openid(number))).await;
            let path = format!("/v1/messages/{id}");
            let waits = |message: &Value| {
                message["status"] == "queued" && message["reason"] == "frequency_limited"
            };
            gateway.until_reply(&path, "waiting", waits).await;
            waiting.push(id);
        }
        let resume = format!("{}/resume", path(number));
        assert_eq!(gateway.post(&resume, &wish).await.status, 200);
        let mut calls = Vec::new();
        for id in &waiting {
            let sent = gateway.until(id, "sent").await;
            let last = sent["attempts"].as_array().unwrap().last().unwrap().clone();
            calls.push(last["at"].as_str().unwrap().to_owned());
        }
        assert!(calls.is_sorted(), "in the order they came: {calls:?}");
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_override_outweighs_what_wechat_says() {
    let gateway = TestGateway::start().await;
    let wish = json!({"override_until": "2099-01-01T00:00:00Z"});
    gateway.post(&format!("{}/resume", path(1)), &wish).await;
    gateway.sim.fault("code=43019:first=1".parse().unwrap());
    let id = handed_over(&gateway, 1).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    gateway.until(&id, "failed").await;
    let shown = known(&gateway, 1).await;
    assert_eq!(
        (&shown["state"], &shown["suppressions"]),
        (&json!("blacklisted"), &json!([]))
    );
    sent(&gateway, 1).await;
    gateway.finish().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let gateway = TestGateway::start().await;
    let (suppress, resume) = (
        format!("{}/suppress", path(1)),
        format!("{}/resume", path(1)),
    );
    for (path, body, detail) in [
        (
            &suppress,
            json!({"expires_at": "yesterday"}),
            "expires_at must be an RFC 3339",
        ),
        (
            &suppress,
            json!({"expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at has passed",
        ),
        (
            &suppress,
            json!({"template_id": ""}),
            "template_id must be 1 to 64",
        ),
        (
            &suppress,
            json!({"note": "two\nlines"}),
            "note must be one line",
        ),
        (&suppress, json!({"reason": "x"}), "the body cannot be read"),
        (
            &resume,
            json!({"override_until": "2020-01-01T00:00:00Z"}),
            "override_until has passed",
        ),
    ] {
        let said = gateway.post(path, &body).await.problem(400, "malformed");
        assert!(said.starts_with(detail), "{said}");
    }
    for query in ["limit=0", "cursor=zzz", "reason=none", "statu=x"] {
        let path = format!("/v1/recipients?{query}");
        gateway.get(&path).await.problem(400, "malformed");
    }
    let long = format!("/v1/recipients/{}", "o".repeat(65));
    gateway.get(&long).await.problem(400, "malformed");
    let elsewhere = format!("{}?account=school", path(1));
    gateway.get(&elsewhere).await.problem(404, "not_found");
    gateway.finish().await;
}

#[tokio::test]
async fn a_message_over_its_recipients_limit_waits() {
    let settings = Settings {
        account: "recipient_limits = [{count = 1, per = \"2s\", priorities = [\"normal\"]}]".into(),
        ..Settings::default()
    };
    let gateway = TestGateway::with(settings).await;
    let first = gateway.send(&message(&openid(1))).await;
    gateway.until(&first, "sent").await;
    let second = gateway.send(&message(&openid(1))).await;
    let path = format!("/v1/messages/{second}");
    gateway
        .until_reply(&path, "frequency_limited", |message| {
            message["reason"] == "frequency_limited"
        })
        .await;
    let mut urgent = message(&openid(1));
    urgent["priority"] = json!("high");
    let urgent = gateway.send(&urgent).await;
    gateway.until(&urgent, "sent").await;
    let other = gateway.send(&message(&openid(2))).await;
    gateway.until(&other, "sent").await;
    let waited = gateway.until(&second, "sent").await;
    let attempts = waited["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    let moment = |message: &Value| -> jiff::Timestamp {
        message["attempts"][0]["at"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    };
    let urgent = gateway.until(&urgent, "sent").await;
    let pause = moment(&waited) - moment(&urgent);
    assert!(pause.total(jiff::Unit::Second).unwrap() >= 2.0, "{pause}");
    gateway.finish().await;
}
