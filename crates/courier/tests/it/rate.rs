//! The rate: an account sends as fast as it may, slower after WeChat was overtaxed, and other accounts are not held up.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hongyan_courier::Clock;
use hongyan_courier::message::{Content, Priority, Status};
use hongyan_courier::rate::PerSecond;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{Sent, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, seconds};

const OTHER: &str = "school";

#[tokio::test(start_paused = true)]
async fn an_account_sends_no_faster_than_its_ceiling_and_others_as_they_like() {
    let settings = Settings::new(20, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    let limit = Some(PerSecond(20.0));
    stage.node.slots.limit_rate(&ACCOUNT.into(), limit);
    stage.hand_over(calls(ACCOUNT, 0..200)).await;
    stage.hand_over(calls(OTHER, 0..200)).await;
    tokio::time::sleep(seconds(4)).await;
    stage.assert_all(OTHER, Status::Sent, 200).await;
    stage.all_over().await;
    let mut by_second: HashMap<i64, usize> = HashMap::new();
    let sends = stage.wechat.sends(ACCOUNT);
    for sent in &sends {
        *by_second.entry(sent.at.0 / 1_000).or_default() += 1;
    }
    let most = *by_second.values().max().unwrap();
    assert!(most <= 22, "{most} in a second");
    let took = sends[sends.len() - 1].at.since(sends[0].at);
    assert!(took < seconds(12), "{took:?} for 200 at 20 a second");
}

#[tokio::test(start_paused = true)]
async fn priorities_share_what_the_rate_allows_however_many_slots_there_are() {
    for slots in [4, 11, 12] {
        let settings = Settings::new(slots, &[ACCOUNT], WITHOUT_RECEIPTS);
        let stage = Stage::open(settings, |wechat| wechat).await;
        let limit = Some(PerSecond(10.0));
        stage.node.slots.limit_rate(&ACCOUNT.into(), limit);
        let message = |n| Content {
            priority: Priority::ALL[n % 3],
            ..content(ACCOUNT, n)
        };
        stage.hand_over(call((0..600).map(message))).await;
        until(async || stage.wechat.count() >= 120).await;
        let sends = stage.wechat.sends(ACCOUNT);
        let counts = [Priority::High, Priority::Normal, Priority::Bulk].map(|priority| {
            let first = sends[..120].iter();
            first
                .filter(|sent| sent.content.priority == priority)
                .count()
        });
        for (count, share) in counts.into_iter().zip([80_usize, 30, 10]) {
            assert!(count.abs_diff(share) <= 2, "{slots} slots: {counts:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn too_fast_halves_the_rate_pauses_until_the_next_minute_and_costs_no_retry() {
    let refusals = AtomicUsize::new(1);
    let settings = Settings::new(20, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |_| match refusals.swap(0, Ordering::SeqCst) {
            0 => Ok(None),
            _ => Err(refused(45011)),
        })
    })
    .await;
    let limit = Some(PerSecond(100.0));
    stage.node.slots.limit_rate(&ACCOUNT.into(), limit);
    stage.hand_over(calls(ACCOUNT, 0..200)).await;
    tokio::time::sleep(seconds(1)).await;
    let lane = stage.node.slots.lane(&ACCOUNT.into(), stage.clock.now());
    let lane = lane.unwrap();
    assert_eq!(lane.rate, Some(PerSecond(50.0)));
    assert_eq!(lane.paused_until, Some(NOW.next_minute()));
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_wechat_is_spared_and_the_rate_comes_back() {
    let asked: Mutex<usize> = Mutex::default();
    let settings = Settings::new(20, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |_: &Sent| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            if (150..172).contains(&*asked) && asked.is_multiple_of(2) {
                Err(refused(-1))
            } else {
                Ok(None)
            }
        })
    })
    .await;
    let rate = || {
        let lane = stage.node.slots.lane(&ACCOUNT.into(), stage.clock.now());
        lane.unwrap().rate
    };
    stage.hand_over(calls(ACCOUNT, 0..140)).await;
    assert_eq!(rate(), None, "nothing limits it");
    tokio::time::sleep(seconds(3)).await;
    stage.hand_over(calls(ACCOUNT, 140..200)).await;
    tokio::time::sleep(seconds(1)).await;
    let slowed = rate().unwrap();
    assert!(
        slowed > PerSecond(5.0) && slowed < PerSecond(200.0),
        "{slowed:?}"
    );
    stage.hand_over(calls(ACCOUNT, 200..20_000)).await;
    until(async || rate().is_none()).await;
    let sent = stage.wechat.count();
    assert!(
        sent < 20_000,
        "{sent}: it was let go by what it sent, not for want of work"
    );
}
