//! The store goes away: nothing is called that cannot be recorded, what was called is recorded when it is back,
//! and until then its slot stays taken.

use hongyan_courier::message::Status;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{all_different, most_at_once};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_until_what_became_of_its_call_is_durable() {
    const SLOTS: usize = 3;
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(5))).await;
    stage.hand_over(calls(ACCOUNT, 0..20)).await;
    until(async || stage.wechat.count() == SLOTS).await;
    stage.store.go_away();
    stage.until_at(NOW.plus(seconds(120))).await;
    assert_eq!(stage.wechat.count(), SLOTS, "nothing new was called");
    assert_eq!(stage.node.slots.in_flight().len(), SLOTS);
    stage.store.come_back();
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 20).await;
    assert!(
        all_different(&stage.wechat.sends(ACCOUNT)),
        "nothing was repeated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_does_not_wait_for_the_answer_to_the_settlement_before_it() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(1))).await;
    stage.store.settles_take(seconds(10));
    stage.hand_over(calls(ACCOUNT, 0..5)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 5).await;
    let sends = stage.wechat.sends(ACCOUNT);
    let took = sends.last().unwrap().until.since(sends[0].at);
    assert!(took < seconds(6), "{took:?}");
    assert_eq!(most_at_once(&sends), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_settles_nothing_gets_no_more_calls() {
    const SLOTS: usize = 3;
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(1))).await;
    stage.store.settles_take(seconds(2));
    stage.store.settles_nothing(true);
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    // What was on its way when the first settlement failed went out.
    let most = 3 * SLOTS;
    until(async || stage.wechat.count() >= SLOTS).await;
    stage.until_at(NOW.plus(seconds(120))).await;
    assert!(stage.wechat.count() <= most, "{}", stage.wechat.count());
    stage.store.settles_nothing(false);
    stage.store.settles_take(seconds(0));
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 50).await;
    assert!(
        all_different(&stage.wechat.sends(ACCOUNT)),
        "nothing was repeated"
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_and_goes_costs_time_and_no_message() {
    const MESSAGES: usize = 300;
    let settings = Settings::new(5, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    for nth in 0..20 {
        stage.until_at(NOW.plus(seconds(3 * nth + 1))).await;
        stage.store.go_away();
        stage.until_at(NOW.plus(seconds(3 * nth + 3))).await;
        stage.store.come_back();
    }
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    assert!(
        all_different(&stage.wechat.sends(ACCOUNT)),
        "nothing was repeated"
    );
    let end = stage.wechat.sends(ACCOUNT).last().unwrap().until;
    assert!(
        end.since(NOW) < seconds(60),
        "it went on as soon as it could"
    );
}

#[tokio::test(start_paused = true)]
async fn leases_whose_claim_was_answered_late_are_sent_all_the_same() {
    let settings = Settings::new(5, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.store.claims_take(seconds(2));
    stage.hand_over(calls(ACCOUNT, 0..50)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 50).await;
    assert!(all_different(&stage.wechat.sends(ACCOUNT)));
}

#[tokio::test(start_paused = true)]
async fn leases_whose_look_found_no_store_go_as_soon_as_it_is_back() {
    let settings = Settings::new(5, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.store.claims_take(seconds(1));
    stage.hand_over(calls(ACCOUNT, 0..5)).await;
    until(async || stage.tally(ACCOUNT).await.contains_key(&Status::Sending)).await;
    stage.store.go_away();
    stage.until_at(NOW.plus(seconds(60))).await;
    assert_eq!(
        (stage.wechat.count(), stage.node.slots.in_flight().len()),
        (0, 5)
    );
    stage.store.come_back();
    stage.until_at(NOW.plus(seconds(61))).await;
    stage.assert_all(ACCOUNT, Status::Sent, 5).await;
    let messages = stage.messages(ACCOUNT).await;
    assert!(
        messages
            .iter()
            .all(|message| message.delivery.lease_seq == 1)
    );
}
