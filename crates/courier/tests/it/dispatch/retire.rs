//! Accounts come and go while a node is at work: what was begun ends, what waits stays, and nothing is lost or doubled.

use hongyan_courier::message::Status;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::all_different;
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

const OTHER: &str = "school";
const SLOTS: usize = 5;
const MESSAGES: usize = 30;

#[tokio::test(start_paused = true)]
async fn a_retired_account_begins_no_call_until_it_is_back() {
    let settings = Settings::new(SLOTS, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(5))).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(3))).await;
    let (slots, account) = (stage.node.slots.clone(), ACCOUNT.into());
    let begun = stage.wechat.count();
    assert_eq!(slots.under_way(&account), begun);
    slots.retire(&account);
    stage.hand_over(calls(OTHER, 0..10)).await;
    stage.until_at(NOW.plus(seconds(60))).await;
    stage.assert_all(OTHER, Status::Sent, 10).await;
    assert_eq!(stage.wechat.sends(ACCOUNT).len(), begun);
    assert_eq!(slots.under_way(&account), 0);
    let tally = stage.tally(ACCOUNT).await;
    assert_eq!(tally[&Status::Sent], begun);
    assert_eq!(tally[&Status::Queued], MESSAGES - begun);

    slots.enlist(&account, SLOTS, None);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    assert!(all_different(&stage.wechat.sends(ACCOUNT)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_account_leaves_no_slots_to_one_that_is_gone() {
    let settings = Settings::new(SLOTS, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| seconds(50))).await;
    stage.node.slots.retire(&OTHER.into());
    for n in 0..SLOTS {
        stage.hand_over(calls(ACCOUNT, n..n + 1)).await;
        tokio::time::sleep(seconds(2)).await;
    }
    assert_eq!(stage.wechat.count(), SLOTS);
}
