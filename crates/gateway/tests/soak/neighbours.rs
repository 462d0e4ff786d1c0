//! Fifty accounts, three of them stuck: what the others wait, compared with what they wait without those. Its slice is
//! `it::neighbours`.

use std::time::Duration;

use hongyan_wechat_sim::Fault;
use hongyan_wechat_sim::fault::{Place, What};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::caller::{Caller, hand_over_batch, message_for};
use crate::check::{all_when, until_within};
use crate::program::{Gateway, Wish, account};

const ACCOUNTS: usize = 50;
const SLOW: usize = 10;
const WITHOUT_TOKEN: usize = 20;
const BROKEN: usize = 30;
const STUCK: [usize; 3] = [SLOW, WITHOUT_TOKEN, BROKEN];

/// One round's messages, and how many of them a second; a third of what the machine can.
const MESSAGES: u64 = 20_000;
const A_SECOND: u64 = 1_500;
/// So many come in at once.
const BATCH: u64 = 20;
/// Rounds of each sort: a hundred thousand messages in all.
const ROUNDS: usize = 5;
const LATENCY: Duration = Duration::from_millis(20);

fn trouble(gateway: &Gateway) {
    let appid = |nth: usize| account(nth).1;
    let late = What::Slow(Duration::from_secs(60));
    let silent = What::Hang { accepted: false };
    let error = What::Status {
        status: 500,
        accepted: false,
    };
    let without_token = appid(WITHOUT_TOKEN);
    for fault in [
        Fault::new(late).account(&appid(SLOW)),
        Fault::new(silent).at(Place::Tokens).account(&without_token),
        Fault::new(error).account(&appid(BROKEN)),
    ] {
        gateway.sim.fault(fault);
    }
    assert!(gateway.sim.revoke_tokens(&without_token));
}

/// How long an account's message took from its acceptance to WeChat's answer, in milliseconds.
fn took_ms(message: &Value) -> i64 {
    let moment = |value: &Value| {
        let at: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
        at.as_millisecond()
    };
    let last = message["attempts"].as_array().unwrap().last().unwrap();
    moment(&last["at"]) + last["took_ms"].as_i64().unwrap() - moment(&message["created_at"])
}

/// One round: the p99 of the accounts that are well, in milliseconds.
async fn p99(troubled: bool) -> i64 {
    let gateway = Gateway::start(Wish {
        accounts: ACCOUNTS,
        ..Wish::slots(64)
    })
    .await;
    let mut caller = Caller::new(gateway.port);
    until_within(
        "every account is ready",
        Duration::from_secs(60),
        async || (0..ACCOUNTS).all(|nth| gateway.sim.calls_of(&account(nth).1).fetches() > 0),
    )
    .await;
    gateway.sim.set_latency(LATENCY);
    if troubled {
        trouble(&gateway);
    }
    let mut pace = interval(Duration::from_micros(1_000_000 * BATCH / A_SECOND));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    for first in (0..MESSAGES).step_by(BATCH as usize) {
        pace.tick().await;
        let batch = first..first + BATCH;
        let batch = batch.map(|n| message_for(&account(n as usize % ACCOUNTS).0, n));
        hand_over_batch(&mut caller, batch).await;
    }
    let handed_over = began.elapsed();
    // More slowly, fewer would be under way at a time, and nothing could be told of shares.
    let due = Duration::from_secs(MESSAGES / A_SECOND);
    assert!(
        handed_over < due * 5 / 4,
        "handed over in {handed_over:.1?} instead of {due:.1?}: the machine is too busy to tell"
    );
    let each = MESSAGES / ACCOUNTS as u64;
    for nth in (0..ACCOUNTS).filter(|nth| !STUCK.contains(nth)) {
        let appid = account(nth).1;
        until_within(
            "the others' messages are sent",
            Duration::from_secs(120),
            async || gateway.sim.calls_of(&appid).accepted == each,
        )
        .await;
    }
    let stuck = STUCK.map(|nth| account(nth).0);
    let is_stuck = |message: &Value| stuck.iter().any(|name| message["account"] == **name);
    let sent = |message: &Value| is_stuck(message) || message["status"] == "sent";
    let found = all_when(&mut caller, sent).await;
    let others = found.values().filter(|message| !is_stuck(message));
    let mut took: Vec<i64> = others.map(took_ms).collect();
    assert_eq!(took.len() as u64, each * (ACCOUNTS - STUCK.len()) as u64);
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 100];
    println!(
        "stuck accounts: {troubled}; handed over in {handed_over:.1?}; p50 {} ms, p99 {} ms, most {} ms",
        at(50),
        at(99),
        took[took.len() - 1]
    );
    if troubled {
        let mut theirs = found.values().filter(|message| is_stuck(message));
        assert!(theirs.all(|message| message["status"] != "sent"));
    }
    at(99)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn three_stuck_accounts_of_fifty_cost_the_others_no_time() {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(p99(false).await);
        with.push(p99(true).await);
    }
    with.sort_unstable();
    without.sort_unstable();
    let (with, without) = (with[ROUNDS / 2], without[ROUNDS / 2]);
    println!("medians of p99: {with} ms with three stuck accounts, {without} ms without");
    assert!(
        with * 10 <= without * 12,
        "{with} ms instead of {without} ms"
    );
}
