//! Killed with SIGKILL at random moments, under a WeChat that is well and under one that is not.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::caller::Load;
use crate::check::{Tally, nothing_lost_nothing_doubled, wait_for_the_end};
use crate::program::{Gateway, Wish};

struct Trouble {
    messages: u64,
    kills: u32,
    faults: &'static [&'static str],
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

async fn survive(trouble: Trouble) -> Tally {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut gateway = Gateway::start(Wish {
        concurrency: 64,
        receipt_timeout: trouble.receipt_timeout,
    })
    .await;
    for fault in trouble.faults {
        gateway.sim.fault(fault.parse().unwrap());
    }
    let mut load = Load::begin(gateway.port, trouble.messages, 16);
    let mut kills = 0;
    while kills < trouble.kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(5..400))).await;
        gateway.kill().await;
        kills += 1;
        gateway.up().await;
    }
    println!(
        "{kills} kills; the load {} by then",
        if load.is_over() {
            "was over"
        } else {
            "was still running"
        }
    );
    let taken = load.taken().await;
    let receipts = trouble.receipt_timeout.is_some();
    wait_for_the_end(&gateway, receipts, trouble.patience).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, receipts).await;
    println!("{tally:?}");
    assert_eq!(taken.len() as u64, trouble.messages);
    tally
}

fn quiet(messages: u64, kills: u32) -> Trouble {
    Trouble {
        messages,
        kills,
        faults: &[],
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
        patience: Duration::from_secs(600),
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
