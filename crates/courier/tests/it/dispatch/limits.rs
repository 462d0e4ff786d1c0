//! WeChat's limits cost time and not messages: the day's quota until midnight in Beijing, the minute's until the next one.
//! Retries are for other things: the accounts here allow none.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::delivery::Policy;
use hongyan_courier::message::{Content, Reason, Status};

use crate::rig::clock::{NOW, PausedClock};
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{Sent, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, openid, seconds};

const OTHER: &str = "school";
const SLOTS: usize = 10;
const MESSAGES: usize = 100;
const NO_RETRIES: Policy = Policy {
    max_retries: 0,
    ..WITHOUT_RECEIPTS
};

#[tokio::test(start_paused = true)]
async fn a_spent_quota_stops_its_account_until_midnight_in_beijing() {
    let midnight = NOW.next_beijing_midnight();
    let clock = PausedClock::start_at(midnight.minus(seconds(1_800)));
    let settings = Settings::new(SLOTS, &[ACCOUNT, OTHER], NO_RETRIES);
    let stage = Stage::open_with(clock, settings, |wechat| {
        wechat.on_send(move |sent| {
            let spent = sent.account.as_str() == ACCOUNT && sent.at < midnight;
            if spent { Err(refused(45009)) } else { Ok(None) }
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(midnight.minus(seconds(600))).await;
    stage
        .hand_over(calls(ACCOUNT, MESSAGES..2 * MESSAGES))
        .await;
    stage.hand_over(calls(OTHER, 0..MESSAGES)).await;
    stage.until_at(midnight.minus(seconds(595))).await;
    stage.assert_all(OTHER, Status::Sent, MESSAGES).await;
    stage.until_at(midnight).await;
    stage
        .assert_all(ACCOUNT, Status::Queued, 2 * MESSAGES)
        .await;
    let calls = stage.wechat.sends(ACCOUNT).len();
    assert!(calls <= SLOTS, "{calls} calls although the quota is spent");
    let told = stage.messages(ACCOUNT).await;
    let told = told
        .iter()
        .filter(|of| of.delivery.reason == Some(Reason::QuotaExhausted));
    assert_eq!(
        told.count(),
        calls,
        "those that were called know why they wait"
    );
    stage.until_at(midnight.plus(seconds(5))).await;
    stage.assert_all(ACCOUNT, Status::Sent, 2 * MESSAGES).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_an_earlier_call_does_not_open_a_stopped_account() {
    for answer in [Ok(None), Err(45011)] {
        let midnight = NOW.next_beijing_midnight();
        let clock = PausedClock::start_at(midnight.minus(seconds(1_800)));
        let settings = Settings::new(SLOTS, &[ACCOUNT], NO_RETRIES);
        let stage = Stage::open_with(clock, settings, |wechat| {
            let slow = |content: &Content| content.touser == openid(0);
            let takes = move |content: &Content| seconds(if slow(content) { 5 } else { 2 });
            wechat.takes(takes).on_send(move |sent| {
                let spent = sent.at < midnight && !slow(&sent.content);
                if spent {
                    return Err(refused(45009));
                }
                if sent.at < midnight {
                    return answer.map_err(refused);
                }
                Ok(None)
            })
        });
        let stage = stage.await;
        stage.hand_over(calls(ACCOUNT, 0..SLOTS)).await;
        stage.until_at(midnight.minus(seconds(1_799))).await;
        stage.hand_over(calls(ACCOUNT, SLOTS..MESSAGES)).await;
        stage.until_at(midnight).await;
        let calls = stage.wechat.sends(ACCOUNT);
        let slow = calls.iter().find(|sent| sent.content.touser == openid(0));
        let stopped = calls.iter().map(|sent| sent.until).min().unwrap();
        assert!(slow.unwrap().until > stopped);
        assert!(calls.len() <= SLOTS, "{} calls", calls.len());
        stage.all_over().await;
        stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    }
}

#[tokio::test(start_paused = true)]
async fn too_fast_for_wechat_waits_for_the_next_minute() {
    const A_MINUTE: usize = 20;
    let minute = |at: UnixMs| at.0 / 60_000;
    let taken: Mutex<HashMap<i64, usize>> = Mutex::default();
    let settings = Settings::new(SLOTS, &[ACCOUNT], NO_RETRIES);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(move |sent: &Sent| {
            let mut taken = taken.lock().unwrap();
            let taken = taken.entry(minute(sent.at)).or_default();
            *taken += 1;
            if *taken > A_MINUTE {
                Err(refused(45011))
            } else {
                Ok(None)
            }
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    let mut by_minute: HashMap<i64, usize> = HashMap::new();
    for sent in stage.wechat.sends(ACCOUNT) {
        *by_minute.entry(minute(sent.at)).or_default() += 1;
    }
    assert_eq!(by_minute.len(), MESSAGES / A_MINUTE, "{by_minute:?}");
    let most = by_minute.values().max().unwrap();
    assert!(*most <= A_MINUTE + SLOTS, "{by_minute:?}");
    let first = minute(NOW);
    let minutes = first..first + 5;
    assert!(
        by_minute.keys().all(|minute| minutes.contains(minute)),
        "one after the other"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_its_hour_waits_alone() {
    let due = NOW.plus(Duration::from_secs(600));
    let settings = Settings::new(1, &[ACCOUNT], NO_RETRIES);
    let stage = Stage::open(settings, |wechat| wechat).await;
    let later = Content {
        send_at: Some(due),
        ..content(ACCOUNT, 0)
    };
    stage.hand_over(call([later])).await;
    stage.hand_over(calls(ACCOUNT, 1..MESSAGES)).await;
    stage.all_over().await;
    let sends = stage.wechat.sends(ACCOUNT);
    let (last, others) = sends.split_last().unwrap();
    assert!(last.at >= due && last.at < due.plus(seconds(1)));
    assert!(others.iter().all(|sent| sent.at < NOW.plus(seconds(10))));
}
