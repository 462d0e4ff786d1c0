//! When a message that waits may go is told as it will be: an account that is stopped, closed, paused or without a token
//! is tried no sooner than that.

use std::time::Duration;

use hongyan_courier::message::{Kind, Message, Priority, Status};
use hongyan_courier::{Clock, UnixMs};
use hongyan_wechat::errcode::Endpoint;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{Answer, Sent, in_doubt, not_sent, refused, refused_at, token};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};
use hongyan_wechat::error::NotSentCause;

const SLOTS: usize = 5;
const MESSAGES: usize = 20;

/// A node that has handed over messages to a WeChat that answers so.
async fn opened(on_send: impl Fn(&Sent) -> Answer + Send + Sync + 'static) -> Stage {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_send(on_send)).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage
}

/// When each message that waits may go, as its caller is told now.
async fn foreseen(stage: &Stage) -> Vec<UnixMs> {
    let now = stage.clock.now();
    let token_at = stage.node.keeper.may_be_ready_at(&ACCOUNT.into());
    let waits = |message: &Message| message.delivery.status == Status::Queued;
    let messages = stage.messages(ACCOUNT).await;
    let waiting = messages.iter().filter(|message| waits(message));
    let slots = &stage.node.slots;
    waiting
        .map(|message| slots.may_go_at(message, token_at, now))
        .collect()
}

/// All messages wait, and the account's next call comes when they are said to go, and no sooner.
async fn check_told(stage: &Stage, what: &str) {
    let (told, calls) = (foreseen(stage).await, stage.wechat.count());
    assert_eq!(told.len(), MESSAGES, "{what}");
    let first = told.iter().copied().min().unwrap();
    assert!(first > stage.clock.now(), "{what}: the past");
    // What is new waits with them, unless those wait for a turn of their own.
    let now = stage.clock.now();
    let (account, token_at) = (
        ACCOUNT.into(),
        stage.node.keeper.may_be_ready_at(&ACCOUNT.into()),
    );
    let slots = &stage.node.slots;
    let held = slots.held_until(&account, (Kind::Template, Priority::Bulk), token_at, now);
    assert!(
        held.is_some_and(|until| now < until && until <= first),
        "{what}: {held:?}"
    );
    stage.until_at(first.minus(Duration::from_millis(1))).await;
    assert_eq!(stage.wechat.count(), calls, "{what}: called before");
    stage.until_at(first.plus(seconds(2))).await;
    assert!(stage.wechat.count() > calls, "{what}: not called then");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_send_tells_when_its_probe_goes() {
    for (code, wait) in [(48001, seconds(60)), (89507, seconds(3_600))] {
        let stage = opened(move |_| Err(refused(code))).await;
        stage.until_at(NOW.plus(seconds(10))).await;
        let told = foreseen(&stage).await.into_iter().min().unwrap();
        let stopped = told.since(NOW).abs_diff(wait);
        assert!(stopped < seconds(1), "{code}: in {:?}", told.since(NOW));
        check_told(&stage, &code.to_string()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_spent_quota_tells_when_it_is_renewed() {
    let stage = opened(|_| Err(refused(45009))).await;
    stage.until_at(NOW.plus(seconds(10))).await;
    let renewed_at = hongyan_courier::quota::renewed_after(NOW);
    assert_eq!(foreseen(&stage).await, [renewed_at; MESSAGES]);
    let held =
        stage
            .node
            .slots
            .held_until(&ACCOUNT.into(), (Kind::Template, Priority::High), None, NOW);
    assert_eq!(held, Some(renewed_at));
    check_told(&stage, "45009").await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_went_too_fast_tells_when_the_minute_is_over() {
    let stage = opened(|sent| match sent.at < NOW.next_minute() {
        true => Err(refused(45011)),
        false => Ok(None),
    })
    .await;
    stage.until_at(NOW.plus(seconds(2))).await;
    assert_eq!(foreseen(&stage).await, [NOW.next_minute(); MESSAGES]);
    check_told(&stage, "45011").await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_wechat_does_not_answer_tells_when_it_is_tried_next() {
    let stage = opened(|_| Err(not_sent(NotSentCause::Connect))).await;
    // Its pauses have grown by then.
    stage.until_at(NOW.plus(seconds(100))).await;
    let lane = stage.node.slots.lane(&ACCOUNT.into(), stage.clock.now());
    let probe_at = lane.unwrap().probe_at.unwrap();
    let told = foreseen(&stage).await;
    assert!(told.iter().all(|at| *at >= probe_at), "{told:?}");
    check_told(&stage, "no connection").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_in_doubt_waits_no_longer_than_its_window() {
    let stage = opened(|sent| match sent.at < NOW.plus(seconds(1)) {
        true => Err(in_doubt()),
        false => Err(refused(45009)),
    })
    .await;
    stage.until_at(NOW.plus(seconds(60))).await;
    let window_end = NOW.plus(hongyan_courier::next::SAFE_WINDOW + seconds(1));
    let messages = stage.messages(ACCOUNT).await;
    let waiting = messages
        .iter()
        .filter(|of| of.delivery.status == Status::Queued);
    for message in waiting {
        let at = stage.node.slots.may_go_at(message, None, stage.clock.now());
        let late = at > window_end;
        assert_eq!(late, message.delivery.doubt.is_none(), "{message:?}");
        assert!(at > stage.clock.now());
    }
    assert!(messages.iter().any(|of| of.delivery.doubt.is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_token_tells_when_it_asks_for_one_again() {
    let put_right = NOW.plus(seconds(200));
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_fetch(move |fetched| match fetched.at < put_right {
            true => Err(refused_at(Endpoint::StableToken, 40164, "not in whitelist")),
            false => Ok(token("t1")),
        })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(put_right.plus(seconds(1))).await;
    let stop = stage.standing(ACCOUNT).await.stop.unwrap();
    assert_eq!(foreseen(&stage).await, [stop.probe_at; MESSAGES]);
    check_told(&stage, "40164").await;
    until(async || {
        stage
            .messages(ACCOUNT)
            .await
            .iter()
            .all(|of| of.delivery.is_over())
    })
    .await;
    assert_eq!(stage.node.keeper.may_be_ready_at(&ACCOUNT.into()), None);
}
