//! A broadcast is paused, goes on, is cancelled, and holds nobody else up.

use std::time::Duration;

use hongyan_gateway::clock::SystemClock;
use serde_json::json;

use super::{file, order, piece};
use crate::harness::{Settings, TEMPLATE, TestGateway, message, openid};

impl TestGateway {
    /// A broadcast of so many rows that runs, while WeChat takes its time.
    async fn slowly_sending(&self, rows: usize) -> String {
        self.sim.fault("slow=20ms".parse().unwrap());
        let id = self.ordered(&order()).await;
        self.call(piece(&id, 0, true, &file(rows))).await;
        self.wish(&id, "start").await;
        self.until_sim("some of them", |sim| sim.calls().accepted > 10)
            .await;
        id
    }

    /// How many WeChat has when no call is under way any more.
    async fn settled(&self) -> u64 {
        let mut last = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let now = self.sim.calls().accepted;
            if now == last {
                return now;
            }
            last = now;
        }
    }
}

fn few_slots() -> Settings {
    Settings {
        concurrency: 4,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_pause_holds_everything_and_a_resume_loses_nothing() {
    let mut gateway = TestGateway::with(few_slots()).await;
    let id = gateway.slowly_sending(300).await;
    assert_eq!(gateway.wish(&id, "pause").await["status"], "paused");
    let before = gateway.settled().await;
    assert!(before < 300);
    gateway.restart().await;
    assert_eq!(
        gateway.settled().await,
        before,
        "not after a restart either"
    );
    // Others go on.
    let other = gateway.send(&message(&openid(900))).await;
    gateway.until(&other, "sent").await;
    let held = gateway
        .get(&format!(
            "/v1/messages?broadcast={id}&status=queued&limit=1"
        ))
        .await
        .json();
    assert_eq!(held["messages"][0]["next_attempt_at"], json!(null));
    gateway.sim.clear_faults();
    assert_eq!(gateway.wish(&id, "resume").await["status"], "running");
    let done = gateway.until_broadcast(&id, "done").await;
    assert_eq!(done["progress"]["sent"], 300);
    assert_eq!(gateway.sim.calls().accepted, 301);
    gateway.finish().await;
}

#[tokio::test]
async fn a_cancel_ends_what_was_not_sent() {
    let gateway = TestGateway::with(few_slots()).await;
    let id = gateway.slowly_sending(5_000).await;
    assert_eq!(gateway.wish(&id, "cancel").await["status"], "cancelled");
    let path = format!("/v1/broadcasts/{id}");
    let ended = gateway
        .until_reply(&path, "nothing that waits", |one| {
            one["progress"]["waiting"] == 0
        })
        .await;
    let progress = &ended["progress"];
    let (sent, cancelled) = (
        progress["sent"].as_u64().unwrap(),
        progress["cancelled"].as_u64().unwrap(),
    );
    assert_eq!(sent, gateway.settled().await);
    assert_eq!(Some(sent + cancelled), progress["accepted"].as_u64());
    assert!(cancelled > 0 && progress["remaining"].as_u64() > Some(0));
    assert_eq!(gateway.wish(&id, "cancel").await["status"], "cancelled");
    let start = gateway
        .post(&format!("/v1/broadcasts/{id}/start"), &json!({}))
        .await;
    assert_eq!(start.problem(409, "conflict"), "the broadcast is cancelled");
    gateway.finish().await;
}

#[tokio::test]
async fn metrics_say_how_far_an_accounts_broadcasts_are() {
    // A name of its own: gateways of one process share their metrics.
    let settings = Settings {
        others: vec![("metered", "wx00000000000000bb")],
        ..Settings::default()
    };
    let mut gateway = TestGateway::with(settings).await;
    let mut order = order();
    order["account"] = json!("metered");
    order["rate"] = json!(10);
    let id = gateway.ordered(&order).await;
    gateway.call(piece(&id, 0, true, &file(40))).await;
    gateway.wish(&id, "start").await;
    gateway
        .until_sim("some of them", |sim| sim.calls().accepted > 2)
        .await;
    gateway.wish(&id, "pause").await;
    let sent = gateway.settled().await;
    // They are measured at the start, and then every few seconds.
    gateway.restart().await;
    let stands = gateway.get(&format!("/v1/broadcasts/{id}")).await.json();
    let waiting = stands["progress"]["waiting"].as_u64().unwrap();
    let wanted = [
        ("s{account=\"metered\",status=\"paused\"", 1),
        ("s{account=\"metered\",status=\"running\"", 0),
        ("_rows{account=\"metered\",state=\"sent\"", sent),
        ("_rows{account=\"metered\",state=\"waiting\"", waiting),
        (
            "_rows{account=\"metered\",state=\"remaining\"",
            40 - sent - waiting,
        ),
        ("_rows{account=\"metered\",state=\"refused\"", 0),
    ];
    let wanted = wanted.map(|(of, count)| format!("hongyan_broadcast{of}}} {count}\n"));
    gateway.until_metrics(&wanted).await;
    gateway.wish(&id, "cancel").await;
    gateway.finish().await;
}

#[tokio::test]
async fn an_urgent_message_does_not_wait_for_a_broadcast() {
    let gateway = TestGateway::with(few_slots()).await;
    let id = gateway.slowly_sending(2_000).await;
    for nth in 0..10 {
        let mut urgent = message(&openid(5_000 + nth));
        urgent["priority"] = json!("high");
        let began = std::time::Instant::now();
        let sent = gateway.post("/v1/messages?wait=10", &urgent).await;
        assert_eq!(sent.json()["status"], "sent");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    gateway.wish(&id, "cancel").await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_rate_is_kept() {
    let gateway = TestGateway::start().await;
    let mut order = order();
    order["rate"] = json!(50);
    let id = gateway.ordered(&order).await;
    gateway.call(piece(&id, 0, true, &file(100))).await;
    let began = std::time::Instant::now();
    gateway.wish(&id, "start").await;
    gateway.until_broadcast(&id, "done").await;
    // Whatever else the machine does, it cannot have been faster.
    assert!(
        began.elapsed() > Duration::from_millis(1_800),
        "{:?}",
        began.elapsed()
    );
    gateway.finish().await;
}

#[tokio::test]
async fn what_has_a_time_waits_for_it_and_ends_with_it() {
    let gateway = TestGateway::start().await;
    let soon = |ms: i64| {
        let now = SystemClock::new().wall().0;
        jiff::Timestamp::from_millisecond(now + ms)
            .unwrap()
            .to_string()
    };
    let mut order = order();
    order["send_at"] = json!(soon(3_600_000));
    let waits = gateway.ordered(&order).await;
    gateway.call(piece(&waits, 0, true, &file(5))).await;
    gateway.wish(&waits, "start").await;
    order["send_at"] = json!(null);
    order["expires_at"] = json!(soon(700));
    order["rate"] = json!(10);
    let ends = gateway.ordered(&order).await;
    gateway.call(piece(&ends, 0, true, &file(500))).await;
    gateway.wish(&ends, "start").await;
    let done = gateway.until_broadcast(&ends, "done").await;
    let progress = |name: &str| done["progress"][name].as_u64().unwrap();
    assert_eq!(progress("remaining"), 0);
    assert!(progress("expired") > 400, "{done}");
    assert_eq!(progress("expired") + progress("sent"), 500);
    let waiting = gateway.get(&format!("/v1/broadcasts/{waits}")).await.json();
    assert_eq!(
        (&waiting["status"], &waiting["progress"]["accepted"]),
        (&json!("running"), &json!(0))
    );
    gateway.finish().await;
}

#[tokio::test]
async fn rows_wait_while_their_template_is_stopped() {
    const TEXT: &str = "商品：{{thing1.DATA}}";
    const EDITED: &str = "商品：{{thing1.DATA}}\n时间：{{time2.DATA}}";
    let gateway = TestGateway::with(Settings::listing(&[(TEMPLATE, TEXT)])).await;
    gateway.until_listed().await;
    let mut order = order();
    order["rate"] = json!(100);
    let id = gateway.ordered(&order).await;
    gateway.call(piece(&id, 0, true, &file(60))).await;
    gateway.wish(&id, "start").await;
    gateway
        .until_sim("some of them", |sim| sim.calls().accepted > 5)
        .await;
    // What is left of the rows does not fit the new text.
    let synced = gateway.relist(TEMPLATE, EDITED).await;
    assert_eq!(synced["stopped"][0]["cause"], "edited");
    assert!(gateway.settled().await < 60);
    let path = format!("/v1/broadcasts/{id}");
    let waits = gateway.get(&path).await.json();
    assert_eq!(
        (&waits["status"], &waits["progress"]["refused"]),
        (&json!("running"), &json!(0))
    );
    gateway.relist(TEMPLATE, TEXT).await;
    let done = gateway.until_broadcast(&id, "done").await;
    let progress = |name: &str| done["progress"][name].as_u64().unwrap();
    // WeChat refused what was sent between the edit and the fetch of the list; no row is passed over.
    assert_eq!(
        (progress("sent") + progress("failed"), progress("refused")),
        (60, 0)
    );
    assert_eq!(gateway.sim.calls().accepted, progress("sent"));
    gateway.finish().await;
}
