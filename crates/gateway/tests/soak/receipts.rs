//! Receipts early, late, twice, out of order, contradicting each other and lost, and the store away among them: every
//! message ends as the simulator's own record says.

use std::time::{Duration, Instant};

use hongyan_wechat_sim::ReceiptPolicy;
use rusqlite::Connection;
use serde_json::Value;

use crate::caller::{Caller, Load};
use crate::check::{Tally, all, until_within, wait_for_the_end};
use crate::program::{Gateway, Wish};

struct Form {
    messages: u64,
    /// Receipts come until so long after their messages.
    latest_ms: u64,
    receipt_timeout: &'static str,
    /// So many are with WeChat when the store goes away.
    sent_before: u64,
    /// WeChat's clock leaps then, and again at the end, and what is due by it is posted as fast as it is answered.
    leap: Duration,
    /// How long nothing can be written.
    away: Duration,
    /// So many receipts a second at least are to be answered meanwhile.
    a_second: u128,
}

/// WeChat drops a connection, and asks again, if it is not answered by then.
const WECHAT_WAITS: Duration = Duration::from_secs(5);

fn unruly(latest_ms: u64) -> ReceiptPolicy {
    ReceiptPolicy {
        delay_min_ms: 0,
        delay_max_ms: latest_ms,
        lost: 0.02,
        duplicate: 0.1,
        contradicted: 0.05,
        reordered: 0.1,
        before_response: 0.1,
        user_block: 0.05,
        freq_limit: 0.02,
        ..ReceiptPolicy::default()
    }
}

async fn tell(form: Form) {
    let gateway = Gateway::start(Wish {
        receipt_timeout: Some(form.receipt_timeout),
        ..Wish::slots(64)
    })
    .await;
    gateway.sim.set_receipts(unruly(form.latest_ms));
    let load = Load::begin(gateway.port, form.messages, 32);
    until_within(
        "enough of them are with WeChat",
        Duration::from_secs(300),
        async || gateway.sim.calls().accepted >= form.sent_before,
    )
    .await;
    let before = (gateway.sim.receipts(), Instant::now());
    gateway.sim.advance(form.leap);
    keep_from_writing(&gateway, form.away).await;
    let meanwhile = gateway.sim.receipts().answered - before.0.answered;
    let a_second = u128::from(meanwhile) * 1_000 / before.1.elapsed().as_millis();
    println!(
        "{meanwhile} receipts were acknowledged while the store was away for {:?}: {a_second} a second",
        before.1.elapsed()
    );
    assert!(meanwhile > 0, "receipts met a store that was away");
    assert!(a_second >= form.a_second, "{a_second} a second");
    let taken = load.taken().await;
    wait_for_the_end(&gateway, true, Duration::from_secs(600)).await;
    gateway.sim.advance(form.leap);
    until_within("all was posted", Duration::from_secs(60), async || {
        gateway.sim.receipts().pending == 0
    })
    .await;
    until_within("the spool is empty", Duration::from_secs(120), async || {
        let metrics = Caller::new(gateway.port).get("/metrics").await;
        metrics
            .as_str()
            .unwrap()
            .contains("\nhongyan_spooled_events 0\n")
    })
    .await;
    let told = gateway.sim.receipts();
    let (usual, most) = (
        gateway.sim.answered_within(0.999),
        gateway.sim.answered_within(1.0),
    );
    println!("{told:?}; acknowledged within {usual:?} (p99.9), {most:?} (most)");
    assert_eq!(told.given_up, 0, "WeChat was never left without an answer");
    assert!(usual < WECHAT_WAITS, "{usual:?}");
    let messages = all(&mut Caller::new(gateway.port)).await;
    assert_eq!(messages.len(), taken.len());
    let mut tally = Tally::new();
    for message in messages.values() {
        let expected = as_the_record_says(&gateway, message);
        let stands = [&message["status"], &message["reason"]].map(|word| word.as_str());
        assert_eq!(stands, expected, "{message}");
        *tally.entry(format!("{stands:?}")).or_default() += 1;
    }
    println!("{tally:?}");
    assert_eq!(tally.len(), 4, "each sort came about: {tally:?}");
}

/// What the first receipt said holds: a success is not taken back, and what failed was not followed by one.
fn as_the_record_says(gateway: &Gateway, message: &Value) -> [Option<&'static str>; 2] {
    let msgid = message["msgid"]
        .as_str()
        .and_then(|msgid| msgid.parse().ok());
    match gateway.sim.receipt_of(msgid.unwrap()) {
        Some("success") => [Some("delivered"), None],
        Some("failed:user block") => [Some("failed"), Some("user_blocked")],
        Some("failed:freq limit") => [Some("failed"), Some("frequency_limited")],
        None => [Some("unconfirmed"), Some("receipt_missing")],
        Some(other) => panic!("no message was told {other}"),
    }
}

/// Somebody else holds the database for so long: the gateway can read and not write.
async fn keep_from_writing(gateway: &Gateway, time: Duration) {
    let database = gateway.database();
    let held = tokio::task::spawn_blocking(move || {
        let conn = Connection::open(database).unwrap();
        conn.busy_timeout(WECHAT_WAITS).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        conn
    });
    let conn = held.await.unwrap();
    tokio::time::sleep(time).await;
    conn.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_ends_as_its_receipts_say_though_the_store_was_away() {
    tell(Form {
        messages: 500,
        latest_ms: 3_000,
        receipt_timeout: "8s",
        sent_before: 250,
        leap: Duration::ZERO,
        away: Duration::from_secs(3),
        a_second: 0,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn many_messages_end_as_their_receipts_say_though_the_store_was_away() {
    tell(Form {
        messages: 300_000,
        latest_ms: 120_000,
        receipt_timeout: "120s",
        sent_before: 300_000,
        leap: Duration::from_secs(120),
        away: Duration::from_secs(30),
        a_second: 5_000,
    })
    .await;
}
