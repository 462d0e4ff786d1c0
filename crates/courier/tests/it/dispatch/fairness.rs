//! No account and no priority can starve another: neither by a backlog, nor by calls that hang.
//! Who waits gets their share of every slot that comes free.

use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::message::{Content, Priority, Status};

use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{LATENCY, Sent};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, seconds};

const OTHER: &str = "school";

fn last_answer(sends: &[Sent]) -> UnixMs {
    sends.iter().map(|sent| sent.until).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_large_backlog_leaves_another_account_its_share() {
    let settings = Settings::new(10, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.hand_over(calls(ACCOUNT, 0..2_000)).await;
    until(async || stage.wechat.count() >= 100).await;
    let handed_over = last_answer(&stage.wechat.sends(ACCOUNT));
    stage.hand_over(calls(OTHER, 0..100)).await;
    until(async || stage.wechat.sends(OTHER).len() == 100).await;
    // Five slots of ten, twenty rounds.
    let took = last_answer(&stage.wechat.sends(OTHER)).since(handed_over);
    assert!(took <= LATENCY * 30, "{took:?}");
    let waiting = 2_000 - stage.wechat.sends(ACCOUNT).len();
    assert!(waiting > 1_000, "{waiting} of the backlog still waited");
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 2_000).await;
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_free_at_once_are_shared_out() {
    const THIRD: &str = "library";
    let settings = Settings::new(9, &[ACCOUNT, OTHER, THIRD], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(50))).await;
    // Before there is a token, so that all begin together.
    for account in [ACCOUNT, OTHER, THIRD] {
        stage.hand_over(calls(account, 0..100)).await;
    }
    until(async || stage.wechat.count() == 9).await;
    for account in [ACCOUNT, OTHER, THIRD] {
        assert_eq!(stage.wechat.sends(account).len(), 3, "{account}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_hold_no_more_than_their_accounts_slots() {
    let hang = |content: &Content| match content.account.as_str() {
        ACCOUNT => seconds(50),
        _ => LATENCY,
    };
    let settings = Settings::new(10, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS).capped(ACCOUNT, 6);
    let stage = Stage::open(settings, |wechat| wechat.takes(hang)).await;
    stage.hand_over(calls(ACCOUNT, 0..100)).await;
    until(async || stage.wechat.count() == 6).await;
    let handed_over = stage.wechat.sends(ACCOUNT)[5].at;
    stage.hand_over(calls(OTHER, 0..100)).await;
    until(async || stage.wechat.sends(OTHER).len() == 100).await;
    let took = last_answer(&stage.wechat.sends(OTHER)).since(handed_over);
    assert!(took <= seconds(2), "{took:?}");
    assert_eq!(stage.wechat.sends(ACCOUNT).len(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_hangs_with_all_it_has_leaves_a_quarter_of_the_slots() {
    let hang = |content: &Content| match content.account.as_str() {
        ACCOUNT => seconds(50),
        _ => LATENCY,
    };
    let settings = Settings::new(16, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(hang)).await;
    stage.hand_over(calls(ACCOUNT, 0..100)).await;
    until(async || stage.wechat.count() == 12).await;
    let handed_over = stage.wechat.sends(ACCOUNT)[11].at;
    stage.hand_over(calls(OTHER, 0..100)).await;
    until(async || stage.wechat.sends(OTHER).len() == 100).await;
    let took = last_answer(&stage.wechat.sends(OTHER)).since(handed_over);
    assert!(took <= LATENCY * 30, "{took:?}");
    assert_eq!(stage.wechat.sends(ACCOUNT).len(), 12);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_hangs_gathers_no_more_slots_than_it_leaves() {
    let hang = |content: &Content| match content.account.as_str() {
        ACCOUNT => seconds(50),
        _ => LATENCY,
    };
    let settings = Settings::new(32, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(hang)).await;
    until(async || {
        // So that there is a token, and each message finds a free slot as it comes.
        stage.hand_over(calls(OTHER, 0..1)).await;
        stage.wechat.count() > 0
    })
    .await;
    for n in 1..200 {
        stage.hand_over(calls(ACCOUNT, n..n + 1)).await;
        stage.hand_over(calls(OTHER, n..n + 1)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let held = stage.wechat.sends(ACCOUNT).len();
    assert!((10..=16).contains(&held), "{held} of 32");
    let sends = stage.wechat.sends(OTHER);
    let waits = sends.windows(2).map(|two| two[1].at.since(two[0].at));
    let longest = waits.max().unwrap();
    assert!(longest <= Duration::from_millis(60), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_do_not_gather_the_slots_that_quick_ones_give_back() {
    let slow = |content: &Content| match content.account.as_str() {
        ACCOUNT => seconds(20),
        _ => LATENCY,
    };
    let settings = Settings::new(10, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(slow)).await;
    stage.hand_over(calls(ACCOUNT, 0..200)).await;
    stage.hand_over(calls(OTHER, 0..1_000)).await;
    until(async || stage.wechat.sends(OTHER).len() == 1_000).await;
    // Half of the slots all the time would take ten seconds.
    let sends = stage.wechat.sends(OTHER);
    let took = last_answer(&sends).since(sends[0].at);
    assert!(took <= seconds(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn of_many_accounts_none_waits_for_the_end_of_anothers_backlog() {
    let names: Vec<String> = (0..50).map(|n| format!("account{n}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    // Fewer slots than accounts, so that turns must be taken.
    let settings = Settings::new(5, &accounts, WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    for account in &accounts {
        stage.hand_over(calls(account, 0..40)).await;
    }
    until(async || stage.wechat.count() >= 1_000).await;
    for account in accounts {
        let sent = stage.wechat.sends(account).len();
        assert!(
            (15..=25).contains(&sent),
            "{account} had {sent} turns of 20"
        );
    }
}

fn of_priority(priority: Priority, numbers: std::ops::Range<usize>) -> Vec<Content> {
    let message = |n| Content {
        priority,
        ..content(ACCOUNT, n)
    };
    numbers.map(message).collect()
}

fn count(sends: &[Sent], priority: Priority) -> usize {
    let of = sends
        .iter()
        .filter(|sent| sent.content.priority == priority);
    of.count()
}

#[tokio::test(start_paused = true)]
async fn priorities_share_by_weight_and_each_goes_on() {
    let settings = Settings::new(4, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    // Handed over in the wrong order.
    for (nth, priority) in Priority::ALL.iter().rev().enumerate() {
        let numbers = 1_000 * nth..1_000 * nth + 600;
        stage.hand_over(call(of_priority(*priority, numbers))).await;
    }
    until(async || stage.wechat.count() >= 600).await;
    let sends = &stage.wechat.sends(ACCOUNT)[..600];
    for (priority, share) in [
        (Priority::High, 400),
        (Priority::Normal, 150),
        (Priority::Bulk, 50),
    ] {
        let count = count(sends, priority);
        assert!(
            count.abs_diff(share) <= 8,
            "{count} of {priority}, not {share}"
        );
    }
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 1_800).await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_does_not_hold_up_a_reminder() {
    const SLOTS: usize = 4;
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage
        .hand_over(call(of_priority(Priority::Bulk, 0..2_000)))
        .await;
    until(async || stage.wechat.count() >= 100).await;
    let before = stage.wechat.count();
    stage
        .hand_over(call(of_priority(Priority::High, 2_000..2_040)))
        .await;
    until(async || count(&stage.wechat.sends(ACCOUNT), Priority::High) == 40).await;
    let sends = &stage.wechat.sends(ACCOUNT)[before..];
    let last = sends
        .iter()
        .rposition(|sent| sent.content.priority == Priority::High);
    let overtaken = last.unwrap() + 1 - 40;
    // What was under way, and a fifth: no normal message waits, and its share goes to the higher one.
    assert!(
        overtaken <= SLOTS + 8,
        "{overtaken} of the broadcast went first"
    );
    assert!(overtaken > 0, "and the broadcast went on");
    let slack = Duration::from_secs(1);
    let took = sends[last.unwrap()].until.since(sends[0].at);
    assert!(took <= slack, "{took:?}");
}
