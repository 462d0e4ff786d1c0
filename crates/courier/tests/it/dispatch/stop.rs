//! A node stops in two steps: it takes nothing more, and finishes what is under way. What it did not send is free for
//! others at once, and nobody's message is repeated.

use std::collections::BTreeMap;

use hongyan_courier::Clock;
use hongyan_courier::message::Status;
use hongyan_courier::port::{Filter, Ledger};

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::all_different;
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

const SLOTS: usize = 5;
const MESSAGES: usize = 50;

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_is_under_way_and_leaves_the_rest_to_the_next() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(5))).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(7))).await;
    assert_eq!(stage.wechat.count(), 2 * SLOTS);
    let stage = stage.restart().await;
    assert!(
        stage.clock.now() < NOW.plus(seconds(11)),
        "it waited for the calls alone"
    );
    let tally = stage.tally(ACCOUNT).await;
    assert_eq!(tally[&Status::Sent], 2 * SLOTS);
    assert_eq!(tally[&Status::Queued], MESSAGES - 2 * SLOTS);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    assert!(
        all_different(&stage.wechat.sends(ACCOUNT)),
        "nothing was repeated"
    );
    let messages = stage.messages(ACCOUNT).await;
    assert!(
        messages
            .iter()
            .all(|message| message.delivery.attempts.len() == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_under_way_at_the_stop_leaves_no_lease_behind() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.store.claims_take(seconds(1));
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    until(async || stage.tally(ACCOUNT).await.contains_key(&Status::Sending)).await;
    let stage = stage.restart().await;
    assert!(!stage.tally(ACCOUNT).await.contains_key(&Status::Sending));
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_being_stored_at_the_stop_is_sent_before_it_ends() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    // The token is fetched, and the first look has found nothing older: it is stored leased.
    stage.until_at(NOW.plus(seconds(2))).await;
    stage.store.accepts_take(seconds(3));
    let stopped = async {
        stage.node.stop().await;
        stage.tally(ACCOUNT).await
    };
    let (_, at_the_end) = tokio::join!(stage.hand_over(calls(ACCOUNT, 0..1)), stopped);
    assert_eq!(at_the_end, BTreeMap::from([(Status::Sent, 1)]));
}

/// A node whose store went away between its claim and its look.
async fn cut_off_before_the_look() -> Stage {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.store.claims_take(seconds(1));
    stage.hand_over(calls(ACCOUNT, 0..SLOTS)).await;
    until(async || stage.tally(ACCOUNT).await.contains_key(&Status::Sending)).await;
    stage.store.go_away();
    tokio::time::sleep(seconds(2)).await;
    stage.store.claims_take(seconds(0));
    assert_eq!(stage.wechat.count(), 0);
    stage
}

#[tokio::test(start_paused = true)]
async fn a_look_that_failed_is_made_again_before_the_stop() {
    let stage = cut_off_before_the_look().await;
    stage.store.come_back();
    stage.node.stop().await;
    // By the node that stopped, under the leases that it had.
    stage.assert_all(ACCOUNT, Status::Sent, SLOTS).await;
    let messages = stage.messages(ACCOUNT).await;
    assert!(messages.iter().all(|of| of.delivery.lease_seq == 1));
    assert_eq!(stage.wechat.count(), SLOTS);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_is_given_back_when_the_store_returns_during_the_stop() {
    let stage = cut_off_before_the_look().await;
    let store = stage.store.clone();
    let returns = async {
        tokio::time::sleep(seconds(3)).await;
        store.come_back();
    };
    tokio::join!(stage.node.stop(), returns);
    let left = stage.store.inner.page(Filter::default(), usize::MAX).await;
    for message in left.unwrap() {
        let delivery = message.delivery;
        assert_eq!((delivery.status, delivery.doubt), (Status::Queued, None));
    }
    assert_eq!(stage.wechat.count(), 0);
}
