//! A day's quota that runs out in the middle of the day's messages. Its slice is `it::v1::quota`.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::caller::{Caller, hand_over_batch, message_for};
use crate::check::{all_when, until_within};
use crate::program::{APPID, Gateway, OTHER_APPID, Wish};

const DAY_MS: i64 = 86_400_000;
const BEIJING_AHEAD_MS: i64 = 8 * 3_600_000;
const BATCH: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(600);

async fn hand_over(caller: &mut Caller, account: &str, numbers: Range<u64>) {
    for first in numbers.clone().step_by(BATCH as usize) {
        let batch = first..numbers.end.min(first + BATCH);
        hand_over_batch(caller, batch.map(|n| message_for(account, n))).await;
    }
}

async fn run_out(messages: u64, quota: u64, of_the_other: u64) {
    let wish = Wish {
        daily_quota: quota,
        quota_poll: Some("1s"),
        ..Wish::slots(64)
    };
    let gateway = Gateway::start(wish).await;
    let mut caller = Caller::new(gateway.port);
    let began = Instant::now();
    hand_over(&mut caller, "main", 0..messages).await;
    let accepted = |appid: &'static str| gateway.sim.calls_of(appid).accepted;
    until_within("the quota is spent", PATIENCE, async || {
        accepted(APPID) == quota
    })
    .await;
    let a_second = |messages: u64, since: Instant| {
        let millis = u64::try_from(since.elapsed().as_millis()).unwrap();
        messages * 1_000 / millis.max(1)
    };
    let usual = a_second(quota, began);
    println!(
        "the quota of {quota} was spent after {:.1?}: {usual} a second",
        began.elapsed()
    );
    // The other account's come in now, and go out as if nothing were wrong.
    let other = Instant::now();
    hand_over(&mut caller, "other", messages..messages + of_the_other).await;
    until_within("the other's messages are sent", PATIENCE, async || {
        accepted(OTHER_APPID) == of_the_other
    })
    .await;
    let others = a_second(of_the_other, other);
    println!(
        "{of_the_other} of the other account took {:.1?}: {others} a second",
        other.elapsed()
    );
    assert!(
        others * 2 > usual,
        "the other account is touched: {others} a second instead of {usual}"
    );
    // As long as it is the same day at WeChat's, nothing of it is tried.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(gateway.sim.calls_of(APPID).sends, quota);

    let now = gateway.sim.clock().now_ms();
    let day = (now + BEIJING_AHEAD_MS).div_euclid(DAY_MS) + 1;
    let (midnight, rest) = (Instant::now(), messages - quota);
    assert!(gateway.sim.set_daily_quota(APPID, messages));
    gateway.sim.set_time_ms(day * DAY_MS - BEIJING_AHEAD_MS);
    until_within("all messages are sent", PATIENCE, async || {
        accepted(APPID) == messages
    })
    .await;
    println!(
        "the other {rest} went out within {:.1?} after midnight",
        midnight.elapsed()
    );
    let calls = gateway.sim.calls_of(APPID);
    assert_eq!(calls.sends, messages, "no call was made in vain");
    let found = all_when(&mut caller, |message| message["status"] == "sent").await;
    assert_eq!(found.len() as u64, messages + of_the_other);
    for message in found.values() {
        let attempts = message["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{message}");
    }
    let twice = gateway
        .sim
        .seen_counts()
        .into_values()
        .filter(|seen| *seen != 1);
    assert_eq!(twice.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make soak"]
async fn a_quota_of_60_000_is_spent_by_100_000_messages_and_costs_nothing_but_time() {
    run_out(100_000, 60_000, 30_000).await;
}
