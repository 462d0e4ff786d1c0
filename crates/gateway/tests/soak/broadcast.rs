//! A broadcast under trouble: killed with SIGKILL again and again, it reaches every recipient once, holds no urgent message
//! up, and takes no memory for being long.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::caller::{Caller, TEMPLATE, remind};
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
const MEMORY_MAX: u64 = 200;
/// So much more, in MiB, may the process that sends the second half use at its end than when it is warm.
const MEMORY_GROWTH_MAX: u64 = 30;

/// A file's lines.
fn lines(rows: u64) -> impl Iterator<Item = String> {
    let each = (0..rows).map(|n| format!("oSoak{n:023},第 {n} 位\n"));
    std::iter::once("openid,name\n".to_owned()).chain(each)
}

/// Orders it, hands its rows over in pieces, and starts it.
async fn begin(caller: &mut Caller, rows: u64) -> String {
    let order = json!({"account": "main", "template_id": TEMPLATE, "data": {"thing1": {"value": "{{name}}您好"}}});
    let id = caller.post("/v1/broadcasts", &order.to_string()).await["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    let (mut piece, mut offset) = (String::new(), 0);
    let mut lines = lines(rows).peekable();
    while let Some(line) = lines.next() {
        piece.push_str(&line);
        let last = lines.peek().is_none();
        if piece.len() < PIECE && !last {
            continue;
        }
        // It ends within a row, unless it is the last.
        let end = if last {
            piece.len()
        } else {
            piece.floor_char_boundary(PIECE)
        };
        let target = format!("/v1/broadcasts/{id}/rows?offset={offset}&last={last}");
        let stands = caller.post(&target, &piece[..end]).await;
        offset += end as u64;
        assert_eq!(stands["upload"]["offset"], offset);
        piece.drain(..end);
    }
    let started = caller.post(&format!("/v1/broadcasts/{id}/start"), "").await;
    assert_eq!(started["upload"]["rows"], rows);
    id
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
    // One process sends the second half, so that what it gathers is seen.
    let (parts, mut warm) = (2 * (form.kills + 1), None);
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
        if part > form.kills + 1 {
            let warm = *warm.get_or_insert(memory);
            let growth = memory.saturating_sub(warm);
            assert!(growth <= MEMORY_GROWTH_MAX, "from {warm} to {memory} MiB");
        }
        if part <= form.kills {
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

/// How many pieces of rows the database holds.
fn pieces(gateway: &Gateway) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(gateway.database(), flags).unwrap();
    let sql = "SELECT count(*) FROM broadcast_pieces";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The largest broadcast that there may be: taken in, begun, and cancelled with nearly all of it left.
async fn take_and_cancel(rows: u64, sent: u64) {
    let mut gateway = Gateway::start(Wish::slots(64)).await;
    gateway.sim.fault("slow=5ms".parse().unwrap());
    let mut caller = Caller::new(gateway.port);
    let began = Instant::now();
    let id = begin(&mut caller, rows).await;
    let path = format!("/v1/broadcasts/{id}");
    let mut most = gateway.memory_mib();
    println!(
        "{rows} rows uploaded after {:.1?}: {most} MiB of memory, {} MiB of database",
        began.elapsed(),
        gateway.store_mib()
    );
    until_within("some are sent", Duration::from_secs(300), async || {
        gateway.sim.calls().accepted >= sent
    })
    .await;
    most = most.max(gateway.memory_mib());
    let cancelled = Instant::now();
    caller.post(&format!("{path}/cancel"), "").await;
    let ended = loop {
        let broadcast = caller.get(&path).await;
        if broadcast["progress"]["waiting"] == 0 {
            break broadcast;
        }
        assert!(
            cancelled.elapsed() < Duration::from_secs(120),
            "{broadcast}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!(
        "cancelled after {:.1?}: {}",
        cancelled.elapsed(),
        ended["progress"]
    );
    let progress = |name: &str| ended["progress"][name].as_u64().unwrap();
    assert_eq!(progress("remaining") + progress("accepted"), rows);
    assert_eq!(
        progress("sent") + progress("cancelled"),
        progress("accepted")
    );
    assert_eq!(progress("sent"), gateway.sim.calls().accepted);
    // Its rows are forgotten a little at a time, and nobody waits for it.
    let (reminders, forgetting) = (remind(&mut caller, 50).await, Instant::now());
    println!("urgent meanwhile: most {:?}", reminders.last().unwrap());
    assert!(*reminders.last().unwrap() < Duration::from_secs(1));
    while pieces(&gateway) > 0 {
        assert!(
            forgetting.elapsed() < Duration::from_secs(300),
            "rows are kept"
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    most = most.max(gateway.memory_mib());
    println!(
        "rows forgotten after {:.1?}; at most {most} MiB",
        cancelled.elapsed()
    );
    assert!(most < MEMORY_MAX, "{most} MiB");
    let (_, well) = gateway.terminate().await;
    assert!(well, "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_taken_and_cancelled() {
    take_and_cancel(100_000, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn ten_million_rows_are_taken_and_cancelled() {
    take_and_cancel(10_000_000, 50_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_survives_kill_minus_nine() {
    survive(Form {
        rows: 50_000,
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
