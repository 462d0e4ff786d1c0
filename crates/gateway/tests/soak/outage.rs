//! WeChat's host goes away with messages queued, and comes back.

use std::time::Duration;

use crate::caller::Load;
use crate::check::{nothing_lost_nothing_doubled, wait_for_the_end};
use crate::program::{Gateway, Wish};

const CONCURRENCY: u64 = 64;

async fn survive(messages: u64, away: Duration) {
    let gateway = Gateway::start(Wish {
        concurrency: 64,
        receipt_timeout: None,
    })
    .await;
    gateway.sim.fault("slow=50ms".parse().unwrap());
    let (sim, load) = (&gateway.sim, Load::begin(gateway.port, messages, 32));
    // Under way, not before: some calls must be cut off.
    while sim.calls().accepted < CONCURRENCY {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sim.stop().await;
    let taken = load.taken().await;
    tokio::time::sleep(away).await;
    sim.restart_on_same_port().await.unwrap();
    sim.clear_faults();
    wait_for_the_end(&gateway, false, Duration::from_secs(300)).await;
    let tally = nothing_lost_nothing_doubled(&gateway, &taken, false).await;
    println!("away for {away:?}: {tally:?}");
    let unconfirmed = tally
        .get("unconfirmed (outcome_unknown)")
        .copied()
        .unwrap_or(0);
    let sent = tally.get("sent").copied().unwrap_or(0);
    assert_eq!(
        sent + unconfirmed,
        messages,
        "nothing fails because WeChat was away"
    );
    assert!(unconfirmed <= CONCURRENCY, "{unconfirmed} are unconfirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_wechat_costs_time_and_no_message() {
    survive(1_000, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn ten_minutes_without_wechat_cost_time_and_no_message() {
    survive(20_000, Duration::from_secs(600)).await;
}
