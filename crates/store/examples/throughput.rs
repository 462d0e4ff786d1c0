//! How fast a message is stored, claimed and settled, and what CPU it costs. For tuning; it asserts nothing.
//! `cargo run --release -p hongyan-store --example throughput -- [messages] [callers] [directory]`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring program for builders"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{Attempt, LeaseRef, Outcome, Policy, Settlement};
use hongyan_courier::message::{Content, Kind, Message, MessageId, Priority};
use hongyan_courier::next::Roll;
use hongyan_courier::port::{Accept, Claim, NewMessage, NodeEpoch, Queue};
use hongyan_store::sqlite::{SqliteStore, Watch};
use nix::time::ClockId;
use tokio::task::JoinSet;

const NOW: UnixMs = UnixMs(1_795_400_000_000);
/// As many as a node has sender slots.
const SLOTS: usize = 256;

#[derive(Default)]
struct Commits {
    count: AtomicU64,
    operations: AtomicUsize,
    took_us: AtomicU64,
}

impl Watch for Commits {
    fn query(&self, _name: &'static str, _took: Duration) {}

    fn commit(&self, operations: usize, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.operations.fetch_add(operations, Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.took_us.fetch_add(took, Ordering::Relaxed);
    }
}

/// What a part of the run took.
struct Meter {
    at: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Self {
        Self {
            at: Instant::now(),
            cpu: cpu(),
        }
    }

    fn stop(self) -> (Duration, Duration) {
        (self.at.elapsed(), cpu().checked_sub(self.cpu).unwrap())
    }
}

fn cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().unwrap().into()
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |nth: usize, otherwise: usize| {
        let given = arguments.get(nth).and_then(|text| text.parse().ok());
        given.unwrap_or(otherwise)
    };
    let (messages, callers) = (number(1, 100_000), number(2, 256));
    let inside = arguments.get(3).map_or(".", String::as_str);
    let dir = tempfile::tempdir_in(inside).unwrap();
    let commits = Arc::new(Commits::default());
    let store = open(&dir.path().join("throughput.db"), &commits);

    let meter = Meter::start();
    accept(&store, messages, callers).await;
    report("accept", messages, meter.stop(), &commits);

    let (mut claiming, mut settling) = Default::default();
    let by = NodeEpoch {
        node: "n1".into(),
        epoch: store.beat("n1", None, Vec::new(), NOW).await.unwrap(),
    };
    let mut settled = 0;
    loop {
        let meter = Meter::start();
        let claimed = store.claim(claim(&by), NOW).await.unwrap();
        add(&mut claiming, meter.stop());
        if claimed.messages.is_empty() {
            break;
        }
        let count = claimed.messages.len();
        let meter = Meter::start();
        settle(&store, claimed.messages, settled).await;
        settled += count;
        add(&mut settling, meter.stop());
    }
    assert_eq!(settled, messages);
    report("settle", messages, settling, &commits);
    report("claim", messages, claiming, &commits);
    store.close().await;
}

fn open(path: &Path, commits: &Arc<Commits>) -> Arc<SqliteStore> {
    SqliteStore::open_watched(path, NOW, commits.clone()).unwrap()
}

/// Every caller stores its messages one after another.
async fn accept(store: &Arc<SqliteStore>, messages: usize, callers: usize) {
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        let mine = messages / callers + usize::from(caller < messages % callers);
        running.spawn(async move {
            for nth in 0..mine {
                let call = Accept {
                    nonce: None,
                    idempotency: None,
                    messages: vec![message(caller, nth)],
                    broadcast: None,
                };
                store.accept(call, NOW).await.unwrap();
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

fn message(caller: usize, nth: usize) -> NewMessage {
    let content = Content {
        account: "clinic".into(),
        client: "his".into(),
        kind: Kind::Template,
        priority: Priority::Normal,
        touser: format!("o6_bmjrPTlm6_2sgVt7h{caller:04}{nth:06}"),
        template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY".into(),
        url: Some("https://example.com/visits/2026-11-23".into()),
        miniprogram: None,
        data: r#"{"thing1":{"value":"Outpatient clinic"},"time2":{"value":"2026-11-24 09:30"},"thing3":{"value":"Dr. Li, room 204"}}"#.into(),
        extras: None,
        reference: Some(format!("visit-{caller}-{nth}")),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        send_at: None,
        broadcast: None,
    };
    NewMessage {
        not_before: None,
        // As in life, ids grow with time; here by a millisecond for every message of a caller.
        id: MessageId::new(NOW.plus(Duration::from_millis(nth as u64))),
        content: Arc::new(content),
        expires_at: None,
        dedupe: None,
        permit: None,
    }
}

fn claim(by: &NodeEpoch) -> Claim {
    Claim {
        at_most: [usize::MAX; 3],
        by: by.clone(),
        account: "clinic".into(),
        shares: [0, SLOTS, 0],
        busy: Vec::new(),
        limits: Arc::default(),
        probe: false,
    }
}

/// All at once, each as a task of its own, as turns are.
async fn settle(store: &Arc<SqliteStore>, messages: Vec<Message>, before: usize) {
    let mut running = JoinSet::new();
    for (nth, message) in messages.into_iter().enumerate() {
        // They grow with time, as WeChat's do.
        let msgid = 3_717_005_636_572_528_643 + i64::try_from(before + nth).unwrap();
        let store = Arc::clone(store);
        running.spawn(async move {
            let lease = LeaseRef {
                id: message.id,
                lease_seq: message.delivery.lease_seq,
            };
            store.look(lease, NOW).await.unwrap();
            store
                .settle(settlement(&message, msgid), NOW)
                .await
                .unwrap();
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

fn settlement(message: &Message, msgid: i64) -> Settlement {
    Settlement {
        id: message.id,
        generation: message.delivery.generation,
        lease_seq: message.delivery.lease_seq,
        outcome: Outcome::Accepted { msgid: Some(msgid) },
        attempt: Some(Attempt {
            at: NOW,
            errcode: Some(0),
            errmsg: "ok".into(),
            rid: None,
            took_ms: 12,
            msgid: Some(msgid),
            generation: 0,
        }),
        policy: Policy {
            max_retries: 3,
            receipt_timeout: None,
            receipt_retries: 0,
        },
        roll: Roll(0.5),
    }
}

fn add(sum: &mut (Duration, Duration), part: (Duration, Duration)) {
    sum.0 += part.0;
    sum.1 += part.1;
}

#[expect(clippy::cast_precision_loss, reason = "figures for a human")]
fn report(what: &str, messages: usize, (took, cpu): (Duration, Duration), commits: &Commits) {
    let count = commits.count.swap(0, Ordering::Relaxed).max(1);
    let operations = commits.operations.swap(0, Ordering::Relaxed);
    let took_us = commits.took_us.swap(0, Ordering::Relaxed);
    println!(
        "{what}: {:.0}/s, {:.1} µs of CPU each; {count} commits since the last line, {:.0} operations and {:.2} ms each",
        messages as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / messages as f64,
        operations as f64 / count as f64,
        took_us as f64 / 1e3 / count as f64,
    );
}
