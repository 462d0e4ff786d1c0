//! The day's quota: what operators see of it, what a spent one costs, and how it is cleared.

use std::time::Duration;

use hongyan_gateway::clock::SystemClock;
use hongyan_wechat_sim::Push;
use serde_json::{Value, json};

use crate::harness::{APPID, Settings, TEMPLATE, TestGateway, message, openid};

const SCHOOL: (&str, &str) = ("school", "wx00000000000000bb");
const DAY_MS: i64 = 86_400_000;
const BEIJING_AHEAD_MS: i64 = 8 * 3_600_000;

fn asked_every_second() -> Settings {
    Settings {
        sections: "[quota]\npoll_interval = \"1s\"".to_owned(),
        others: vec![SCHOOL],
        ..Settings::default()
    }
}

/// The first account, once it is as wanted.
async fn account(gateway: &TestGateway, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let list = gateway
        .until_reply("/v1/accounts", what, |list| wanted(&list["accounts"][0]))
        .await;
    list["accounts"][0].clone()
}

async fn hand_over(gateway: &TestGateway, account: &str, priority: &str, count: usize) {
    let messages: Vec<Value> = (0..count)
        .map(|nth| {
            let mut message = message(&openid(nth));
            message["account"] = json!(account);
            message["priority"] = json!(priority);
            message
        })
        .collect();
    let reply = gateway
        .post("/v1/messages/batch", &json!({"messages": messages}))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
}

async fn count(gateway: &TestGateway, query: &str) -> usize {
    let page = gateway
        .get(&format!("/v1/messages?limit=200&{query}"))
        .await;
    page.json()["messages"].as_array().unwrap().len()
}

async fn until_count(gateway: &TestGateway, query: &str, wanted: usize) {
    let path = format!("/v1/messages?limit=200&{query}");
    let is_so = |page: &Value| {
        page["messages"]
            .as_array()
            .is_some_and(|all| all.len() == wanted)
    };
    gateway
        .until_reply(&path, &format!("{wanted} messages"), is_so)
        .await;
}

#[tokio::test]
async fn a_quota_that_runs_out_costs_nothing_but_time() {
    let gateway = TestGateway::with(asked_every_second()).await;
    assert!(gateway.sim.set_daily_quota(APPID, 60));
    account(&gateway, "its quota", |of| of["quota"]["limit"] == 60).await;
    hand_over(&gateway, "clinic", "normal", 100).await;
    hand_over(&gateway, "school", "normal", 30).await;
    until_count(&gateway, "account=school&status=sent", 30).await;
    until_count(&gateway, "account=clinic&status=sent", 60).await;
    let spent = |of: &Value| of["quota"]["told_at"] != json!(null) && of["quota"]["used"] == 60;
    let shown = account(&gateway, "its quota spent", spent).await;
    assert_eq!(shown["quota"]["remaining"], 0);
    let gauges = ["hongyan_quota_remaining", "hongyan_quota_limit"];
    let gauges = gauges.map(|gauge| format!("{gauge}{{account=\"clinic\"}}"));
    gateway.until_metrics(&gauges).await;
    assert_eq!(shown["quota"]["queued_today"]["normal"], 40);
    assert_eq!(shown["sending"]["held"], json!(["high", "normal", "bulk"]));
    assert!(shown["quota"]["runs_out_at"].is_string());
    let sends = gateway.sim.calls_of(APPID).sends;
    assert_eq!(sends, 60, "no call was made in vain");
    // What the quota holds back says when it can go, not when it was due.
    let path = "/v1/messages?limit=200&account=clinic&status=queued";
    let waiting = gateway.get(path).await.json();
    let renewed_at = &shown["quota"]["renewed_at"];
    let first = &waiting["messages"][0];
    assert_eq!(&first["next_attempt_at"], renewed_at, "{first}");
    let whole = format!("/v1/messages/{}", first["id"].as_str().unwrap());
    let whole = gateway.get(&whole).await.json();
    assert_eq!(&whole["next_attempt_at"], renewed_at, "{whole}");
    // Whoever looks sees the same as after a refusal.
    let degraded = |of: &Value| of["state"] == "degraded";
    let shown = account(&gateway, "a spent quota", degraded).await;
    assert_eq!(&shown["quota"]["spent_until"], renewed_at);
    let attention = gateway.get("/v1/attention").await.json();
    let item = &attention["items"][0];
    assert_eq!(
        (&item["account"], &item["reason"]),
        (&json!("clinic"), &json!("quota_exhausted")),
        "{attention}"
    );

    // Midnight comes at WeChat's.
    let now = gateway.sim.clock().now_ms();
    let day = (now + BEIJING_AHEAD_MS).div_euclid(DAY_MS) + 1;
    gateway.sim.set_time_ms(day * DAY_MS - BEIJING_AHEAD_MS);
    until_count(&gateway, "account=clinic&status=sent", 100).await;
    account(&gateway, "well", |of| of["state"] == "ok").await;
    assert_eq!(gateway.sim.calls_of(APPID).rejected_with(45009), 0);
    let page = gateway.get("/v1/messages?limit=200&account=clinic").await;
    for message in page.json()["messages"].as_array().unwrap() {
        assert_eq!(
            message["attempts"].as_array().unwrap().len(),
            1,
            "{message}"
        );
    }
    gateway.finish().await;
}

#[tokio::test]
async fn a_spent_quota_is_known_after_a_restart_and_an_operator_clears_it() {
    let mut gateway = TestGateway::with(Settings {
        others: vec![SCHOOL],
        ..Settings::default()
    })
    .await;
    account(&gateway, "its quota", |of| of["quota"]["limit"] == 100_000).await;
    // Less than WeChat said: the calls themselves find out.
    assert!(gateway.sim.set_daily_quota(APPID, 10));
    hand_over(&gateway, "clinic", "normal", 100).await;
    let stopped = |of: &Value| of["quota"]["spent_until"].is_string();
    let shown = account(&gateway, "a spent quota", stopped).await;
    assert_eq!(shown["sending"]["lane"], "stopped");
    let waiting = gateway
        .get("/v1/messages?account=clinic&status=queued")
        .await;
    let next = &waiting.json()["messages"][0]["next_attempt_at"];
    assert_eq!(*next, shown["quota"]["spent_until"], "not when it was due");
    gateway.restart().await;
    let shown = account(&gateway, "its state", |of| of["token"]["usable"] == true).await;
    assert_eq!(shown["sending"]["lane"], "stopped");
    assert_eq!(shown["state"], "degraded");
    assert!(
        shown["detail"].as_str().unwrap().contains("quota"),
        "{shown}"
    );
    let attention = gateway.get("/v1/attention").await.json();
    let item = &attention["items"][0];
    assert_eq!(
        (&item["subject"], &item["reason"], &item["key"]),
        (
            &json!("account"),
            &json!("quota_exhausted"),
            &json!("template")
        ),
        "{attention}"
    );
    assert_eq!(item["command"], "hongyan accounts show clinic");
    let action = item["action"].as_str().unwrap();
    assert!(action.contains("hongyan accounts clear-quota"), "{action}");
    let refused = gateway.sim.calls_of(APPID).rejected_with(45009);
    hand_over(&gateway, "school", "normal", 10).await;
    until_count(&gateway, "account=school&status=sent", 10).await;
    assert_eq!(gateway.sim.calls_of(APPID).rejected_with(45009), refused);
    assert_eq!(count(&gateway, "account=clinic&status=sent").await, 10);

    assert!(gateway.sim.set_daily_quota(APPID, 100_000));
    let cleared = gateway
        .post("/v1/accounts/clinic/quota/clear", &json!({}))
        .await;
    assert_eq!(
        cleared.json(),
        json!({"account": "clinic", "clearings_left": 9})
    );
    until_count(&gateway, "account=clinic&status=sent", 100).await;
    account(&gateway, "ok", |of| of["state"] == "ok").await;
    gateway.finish().await;
}

#[tokio::test]
async fn only_an_operator_clears_a_quota_and_ten_times_a_month() {
    let mut gateway = TestGateway::start().await;
    account(&gateway, "a token", |of| of["token"]["usable"] == true).await;
    let path = "/v1/accounts/clinic/quota/clear";
    gateway
        .post("/v1/accounts/nobody/quota/clear", &json!({}))
        .await
        .problem(404, "not_found");
    for left in (0..10).rev() {
        let cleared = gateway.post(path, &json!({})).await.json();
        assert_eq!(cleared["clearings_left"], left);
    }
    let refused = gateway.post(path, &json!({})).await;
    refused.problem(429, "rate_limited");
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(gateway.sim.calls().clear_quota, 10);

    gateway.down().await;
    gateway.settings.scopes = vec!["accounts", "token"];
    gateway.up().await;
    gateway
        .post(path, &json!({}))
        .await
        .problem(403, "forbidden");
    gateway.finish().await;
}

#[tokio::test]
async fn a_rate_that_wechat_states_is_kept() {
    let gateway = TestGateway::with(asked_every_second()).await;
    assert!(gateway.sim.set_sends_a_minute(APPID, Some(1_200)));
    let limited = |of: &Value| of["sending"]["rate"].is_number();
    let shown = account(&gateway, "a rate", limited).await;
    assert_eq!(shown["sending"]["rate"], 19.0);
    let began = tokio::time::Instant::now();
    hand_over(&gateway, "clinic", "normal", 30).await;
    until_count(&gateway, "account=clinic&status=sent", 30).await;
    assert!(
        began.elapsed() > Duration::from_millis(1_200),
        "about 19 a second"
    );
    assert_eq!(gateway.sim.calls_of(APPID).rejected_with(45011), 0);
    gateway.finish().await;
}

#[tokio::test]
async fn bulk_leaves_its_share_of_the_quota_to_what_is_more_urgent() {
    let gateway = TestGateway::with(Settings {
        account: "bulk_leaves_percent = 50\n".to_owned(),
        ..asked_every_second()
    })
    .await;
    assert!(gateway.sim.set_daily_quota(APPID, 20));
    account(&gateway, "its quota", |of| of["quota"]["limit"] == 20).await;
    hand_over(&gateway, "clinic", "bulk", 15).await;
    until_count(&gateway, "account=clinic&status=sent", 10).await;
    let held = |of: &Value| of["sending"]["held"] == json!(["bulk"]);
    account(&gateway, "bulk held", held).await;
    hand_over(&gateway, "clinic", "high", 10).await;
    until_count(&gateway, "account=clinic&status=sent", 20).await;
    assert_eq!(count(&gateway, "account=clinic&status=queued").await, 5);
    assert_eq!(gateway.sim.calls_of(APPID).sends, 20);
    gateway.finish().await;
}

#[tokio::test]
async fn each_kind_that_is_sent_shows_a_quota_of_its_own() {
    // A name of its own: gateways of one process share their metrics.
    let (name, appid) = ("mixed", "wx00000000000000cc");
    let gateway = TestGateway::with(Settings {
        others: vec![(name, appid)],
        ..asked_every_second()
    })
    .await;
    assert!(gateway.sim.set_daily_quota(appid, 60));
    let mixed = async |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        let list = gateway
            .until_reply("/v1/accounts", what, |list| {
                wanted(&list["accounts"][1]["quota"])
            })
            .await;
        list["accounts"][1]["quota"].clone()
    };
    let quota = mixed("its quota", &|of| of["limit"] == 60).await;
    assert_eq!(quota["other_kinds"], json!([]), "nothing was sent");
    let accepted = Push::Popup {
        template_id: TEMPLATE.to_owned(),
        accept: true,
    };
    assert!(gateway.sim.push(appid, &openid(1), accepted));
    let mut subscription = message(&openid(1));
    subscription["account"] = json!(name);
    subscription["kind"] = json!("subscription");
    let id = gateway.send(&subscription).await;
    gateway.until(&id, "sent").await;
    let used = |of: &Value| of["other_kinds"][0]["used"] == 1;
    let quota = mixed("the other kind's", &used).await;
    let other = &quota["other_kinds"][0];
    assert_eq!(
        (&other["kind"], &other["limit"], &other["remaining"]),
        (&json!("subscription"), &json!(60), &json!(59))
    );
    assert_eq!(quota["used"], 0, "no template message was sent");
    let labels = "{account=\"mixed\",kind=\"subscription\"}";
    let gauges = [("remaining", 59), ("limit", 60)];
    let gauges = gauges.map(|(of, n)| format!("hongyan_kind_quota_{of}{labels} {n}\n"));
    gateway.until_metrics(&gauges).await;
    gateway.finish().await;
}

#[tokio::test]
async fn in_quiet_hours_what_is_not_urgent_waits() {
    let now = jiff::Timestamp::from_millisecond(SystemClock::new().wall().0).unwrap();
    let now = now.to_zoned(jiff::tz::TimeZone::UTC);
    let hours = |hours: i64| now.checked_add(jiff::Span::new().hours(hours)).unwrap();
    let (from, to) = (hours(-2).strftime("%H:%M"), hours(2).strftime("%H:%M"));
    let gateway = TestGateway::with(Settings {
        account: format!(
            "time_zone = \"UTC\"\nquiet_hours = [{{ from = \"{from}\", to = \"{to}\", priorities = [\"normal\", \"bulk\"] }}]\n"
        ),
        ..Settings::default()
    })
    .await;
    let held = gateway.send(&message(&openid(1))).await;
    let mut urgent = message(&openid(2));
    urgent["priority"] = json!("high");
    let urgent = gateway.send(&urgent).await;
    gateway.until(&urgent, "sent").await;
    let waiting = gateway.get(&format!("/v1/messages/{held}")).await.json();
    assert_eq!(waiting["status"], "queued");
    let next: jiff::Timestamp = waiting["next_attempt_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let later = next.duration_since(now.timestamp());
    assert!(
        (60 * 118..=60 * 120).contains(&later.as_secs()),
        "{later:?}"
    );
    gateway.finish().await;
}
