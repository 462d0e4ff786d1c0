//! A broadcast under trouble: killed with SIGKILL again and again, it reaches every recipient once, holds no urgent message
//! up, and takes no memory for being long.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::{Caller, TEMPLATE};
use crate::check::until_within;
use crate::program::{Gateway, Wish};

struct Form {
    rows: u64,
    kills: u64,
    /// Urgent messages, handed over one after the other in the middle.
    reminders: u64,
    /// Of all rows together.
    patience: Duration,
}

/// Pieces that end within rows.
const PIECE: usize = 500_001;
/// No more than this, in MiB, whatever the number of rows.
const MEMORY_MAX: u64 = 400;

fn file(rows: u64) -> String {
    let mut text = String::from("openid,name\n");
    for n in 0..rows {
        text.push_str(&format!("oSoak{n:023},第 {n} 位\n"));
    }
    text
}

async fn post(caller: &mut Caller, target: &str, body: &str) -> Value {
    for _ in 0..200 {
        let request = caller.request("POST", target, body, None);
        match caller.call(request).await {
            Ok((200..=202, body)) => return body,
            Ok((503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok((status, body)) => panic!("POST {target}: {status} {body}"),
        }
    }
    panic!("POST {target}: the gateway does not answer")
}

/// Orders it, hands its rows over in pieces, and starts it.
async fn begin(caller: &mut Caller, rows: u64) -> String {
    let order = json!({"account": "main", "template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}您好"}}});
    let id = post(caller, "/v1/broadcasts", &order.to_string()).await["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let (file, mut offset) = (file(rows), 0);
    while offset < file.len() {
        let end = file.floor_char_boundary(offset + PIECE);
        let last = end == file.len();
        let target = format!("/v1/broadcasts/{id}/rows?offset={offset}&last={last}");
        let stands = post(caller, &target, &file[offset..end]).await;
        offset = usize::try_from(stands["upload"]["offset"].as_u64().unwrap()).unwrap();
    }
    let started = post(caller, &format!("/v1/broadcasts/{id}/start"), "").await;
    assert_eq!(started["upload"]["rows"], rows);
    id
}

/// How long each urgent message took to be with WeChat, in ascending order.
async fn remind(caller: &mut Caller, count: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in 0..count {
        let body = json!({"account": "main", "touser": format!("oUrge{n:023}"), "template_id": TEMPLATE,
            "data": {"thing1": {"value": "明天就诊"}}, "priority": "high"});
        let began = Instant::now();
        let sent = post(caller, "/v1/messages?wait=30", &body.to_string()).await;
        assert_eq!(sent["status"], "sent", "{sent}");
        took.push(began.elapsed());
    }
    took.sort();
    took
}

async fn survive(form: Form) {
    let mut gateway = Gateway::start(Wish::slots(64)).await;
    gateway.sim.fault("slow=5ms".parse().unwrap());
    let mut caller = Caller::new(gateway.port);
    let began = Instant::now();
    let id = begin(&mut caller, form.rows).await;
    let seconds = |since: Instant| since.elapsed().as_secs_f64();
    println!("| rows with WeChat | after | a second | memory |\n|---|---|---|---|");
    let memory = gateway.memory_mib();
    println!(
        "| 0 (uploaded) | {:.1} s | | {memory} MiB |",
        seconds(began)
    );
    let (started, mut most) = (Instant::now(), 0);
    let (mut before, mut at) = (0, started);
    let parts = 2 * (form.kills + 1);
    for part in 1..=parts {
        let share = form.rows * part / parts;
        until_within("so many are sent", form.patience, async || {
            gateway.sim.calls().accepted >= share
        })
        .await;
        let (sent, memory) = (gateway.sim.calls().accepted, gateway.memory_mib());
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = (sent - before) as f64 / seconds(at);
        println!(
            "| {sent} | {:.1} s | {rate:.0} | {memory} MiB |",
            seconds(started)
        );
        (before, at, most) = (sent, Instant::now(), memory.max(most));
        if part == parts / 2 {
            let took = remind(&mut caller, form.reminders).await;
            let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
            println!(
                "urgent: p50 {p50:?}, p99 {p99:?}, most {:?}",
                took.last().unwrap()
            );
            assert!(p99 < Duration::from_secs(1), "{took:?}");
        }
        if part % 2 == 0 && part < parts {
            gateway.kill().await;
            assert!(
                gateway.sim.calls().accepted < form.rows,
                "each kill met work"
            );
            gateway.up().await;
        }
    }
    let done = until_done(&mut caller, &format!("/v1/broadcasts/{id}"), form.patience).await;
    println!("done after {:.1} s: {}", seconds(started), done["progress"]);
    assert_eq!(done["progress"]["accepted"], form.rows);
    assert_eq!(done["progress"]["sent"], form.rows, "{done}");
    let counts = gateway.sim.seen_counts();
    let twice: Vec<_> = counts.iter().filter(|(_, seen)| **seen != 1).collect();
    assert!(twice.is_empty(), "seen more than once: {twice:?}");
    assert_eq!(counts.len() as u64, form.rows + form.reminders);
    assert!(most < MEMORY_MAX, "{most} MiB");
}

async fn until_done(caller: &mut Caller, path: &str, at_most: Duration) -> Value {
    let began = Instant::now();
    loop {
        let broadcast = caller.get(path).await;
        if broadcast["status"] == "done" {
            return broadcast;
        }
        assert!(began.elapsed() < at_most, "not done: {broadcast}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_survives_kill_minus_nine() {
    survive(Form {
        rows: 10_000,
        kills: 2,
        reminders: 20,
        patience: Duration::from_secs(120),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_million_rows_survive_five_kills() {
    survive(Form {
        rows: 1_000_000,
        kills: 5,
        reminders: 200,
        patience: Duration::from_secs(3_600),
    })
    .await;
}
