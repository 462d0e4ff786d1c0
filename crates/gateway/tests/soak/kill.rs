//! Killed with SIGKILL at random moments, under a WeChat that is well and under one that is not.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::caller::{Caller, Load};
use crate::check::{Tally, all, nothing_lost_nothing_doubled, until, wait_for_the_end};
use crate::program::{Gateway, Wish};

struct Trouble {
    messages: u64,
    kills: u32,
    faults: &'static [&'static str],
    /// Whether the faults end when each message has been called under them: what is repeated by then is repeated soon.
    relents: bool,
    receipt_timeout: Option<&'static str>,
    /// A message in doubt is repeated for eight minutes at the most.
    patience: Duration,
}

/// A WeChat that accepts and hangs up, is busy, fails, and answers nonsense.
const UGLY: &[&str] = &[
    "cut:5%",
    "busy:5%",
    "5xx:1%",
    "5xx:1%:accepted",
    "html:1%",
    "half:1%",
];

/// Slow enough that the last kill comes long before the load is over.
const SLOW: &str = "slow=20ms";

async fn survive(trouble: Trouble) -> Tally {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut gateway = Gateway::start(Wish {
        receipt_timeout: trouble.receipt_timeout,
        ..Wish::slots(64)
    })
    .await;
    for fault in trouble.faults.iter().chain([&SLOW]) {
        gateway.sim.fault(fault.parse().unwrap());
    }
    let load = Load::begin(gateway.port, trouble.messages, 16);
    kill_under_load(&mut gateway, &trouble, &mut random).await;
    let taken = load.taken().await;
    if trouble.relents {
        all_were_called(&gateway).await;
        gateway.sim.clear_faults();
    }
    let receipts = trouble.receipt_timeout.is_some();
    wait_for_the_end(&gateway, receipts, trouble.patience).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, receipts).await;
    println!("{tally:?}");
    assert_eq!(taken.len() as u64, trouble.messages);
    assert!(
        gateway.sim.calls().repeated > 0,
        "calls were cut off and made again"
    );
    tally
}

/// Kills at random moments, each when random many messages are with WeChat, so that none of them comes when all is done.
async fn kill_under_load(gateway: &mut Gateway, trouble: &Trouble, random: &mut StdRng) {
    let mut left = Vec::new();
    for nth in 1..=u64::from(trouble.kills) {
        let before = gateway.sim.calls().accepted;
        let share = trouble.messages * nth / u64::from(trouble.kills + 1);
        let moment = random.random_range(before..=share.max(before));
        until("the moment to kill", async || {
            gateway.sim.calls().accepted >= moment
        })
        .await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        gateway.kill().await;
        left.push(trouble.messages - gateway.sim.calls().accepted);
        gateway.up().await;
    }
    println!("killed with so many messages left: {left:?}");
    assert!(!left.contains(&0), "each kill met work: {left:?}");
}

/// Waits until each message has been called and its answer, or the lack of one, is known.
async fn all_were_called(gateway: &Gateway) {
    until("each message was called", async || {
        let messages = all(&mut Caller::new(gateway.port)).await;
        let called = |message: &Value| message["attempts"] != json!([]);
        messages.values().all(called)
    })
    .await;
}

fn quiet(messages: u64, kills: u32) -> Trouble {
    Trouble {
        messages,
        kills,
        faults: &[],
        relents: false,
        receipt_timeout: None,
        patience: Duration::from_secs(120),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_survives_kill_minus_nine() {
    let tally = survive(quiet(600, 4)).await;
    assert_eq!(
        tally.keys().collect::<Vec<_>>(),
        ["sent"],
        "all are with WeChat"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_survives_kill_minus_nine_and_an_ugly_wechat() {
    survive(Trouble {
        faults: UGLY,
        relents: true,
        ..quiet(300, 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn five_thousand_messages_survive_twenty_kills() {
    let tally = survive(quiet(5_000, 20)).await;
    assert_eq!(
        tally.keys().collect::<Vec<_>>(),
        ["sent"],
        "all are with WeChat"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn five_thousand_messages_survive_twenty_kills_and_an_ugly_wechat() {
    survive(Trouble {
        faults: UGLY,
        patience: Duration::from_secs(700),
        ..quiet(5_000, 20)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn five_thousand_messages_survive_twenty_kills_and_an_ugly_wechat_with_receipts() {
    let patience = Duration::from_secs(700);
    survive(Trouble {
        faults: UGLY,
        receipt_timeout: Some("30s"),
        patience,
        ..quiet(5_000, 20)
    })
    .await;
}
