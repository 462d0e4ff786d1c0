//! Slots bound what is under way: in the node, in an account, and for a recipient.
//! They are used to the full, and a message that meets a free one needs no claim.

use hongyan_courier::message::{Content, Status};

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{LATENCY, Sent, all_different, most_at_once};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, call, calls, content, openid, seconds};

const OTHER: &str = "school";

#[tokio::test(start_paused = true)]
async fn never_more_calls_are_under_way_than_there_are_slots() {
    let settings = Settings::new(8, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS)
        .capped(ACCOUNT, 6)
        .capped(OTHER, 4);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.hand_over(calls(ACCOUNT, 0..500)).await;
    stage.hand_over(calls(OTHER, 0..200)).await;
    stage.all_over().await;
    let (clinic, school) = (stage.wechat.sends(ACCOUNT), stage.wechat.sends(OTHER));
    assert_eq!(most_at_once(&clinic), 6);
    assert_eq!(most_at_once(&school), 4);
    assert_eq!(most_at_once(clinic.iter().chain(&school)), 8);
    stage.assert_all(ACCOUNT, Status::Sent, 500).await;
    stage.assert_all(OTHER, Status::Sent, 200).await;
    assert!(all_different(&clinic) && all_different(&school));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_meets_a_free_slot_is_leased_as_it_is_stored() {
    let settings = Settings::new(2, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    // The token is fetched, and the first look has found nothing older.
    tokio::time::sleep(seconds(2)).await;
    let accepted = stage.hand_over(calls(ACCOUNT, 0..3)).await;
    let statuses: Vec<Status> = accepted.iter().map(|one| one.unwrap().status).collect();
    assert_eq!(statuses, [Status::Sending, Status::Sending, Status::Queued]);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 3).await;
}

#[tokio::test(start_paused = true)]
async fn one_recipient_has_one_call_at_a_time_and_holds_up_nobody() {
    const TO_ONE: usize = 20;
    let busy = openid(0);
    let of_busy = busy.clone();
    let settings = Settings::new(10, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.takes(move |content| seconds(if content.touser == of_busy { 5 } else { 1 }))
    });
    let stage = stage.await;
    let to_one = (0..TO_ONE).map(|_| content(ACCOUNT, 0));
    stage.hand_over(call(to_one)).await;
    stage.hand_over(calls(ACCOUNT, 1..101)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, TO_ONE + 100).await;
    let sends = stage.wechat.sends(ACCOUNT);
    let (to_one, others): (Vec<Sent>, Vec<Sent>) = sends
        .into_iter()
        .partition(|sent| sent.content.touser == busy);
    assert_eq!((most_at_once(&to_one), to_one.len()), (1, TO_ONE));
    // A hundred seconds of calls for the one; the others share nine slots meanwhile.
    let took = others.last().unwrap().until.since(others[0].at);
    assert!(took <= seconds(13), "the others took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_given_back_goes_as_soon_as_its_recipient_is_free() {
    let settings = Settings::new(2, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.takes(|_| LATENCY * 4)).await;
    let due = NOW.plus(seconds(5));
    let later = Content {
        send_at: Some(due),
        ..content(ACCOUNT, 0)
    };
    stage.hand_over(call([later])).await;
    // One call is under way when the claim is made, and over before the claim is answered: the slot that it leaves goes
    // to another message for the same recipient.
    stage.until_at(due.minus(LATENCY * 2)).await;
    stage.store.claims_take(LATENCY * 4);
    stage.hand_over(calls(ACCOUNT, 1..2)).await;
    stage.until_at(due.plus(LATENCY * 3)).await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    stage.until_at(due.plus(LATENCY * 5)).await;
    stage.store.claims_take(seconds(0));
    stage.all_over().await;
    let sends = stage.wechat.sends(ACCOUNT);
    let pause = sends[2].at.since(sends[1].until);
    assert!(pause < LATENCY * 8, "{pause:?} for nothing");
    let given_back = stage.messages(ACCOUNT).await;
    let leases = given_back.iter().map(|of| of.delivery.lease_seq);
    assert_eq!(leases.max(), Some(2), "it was leased, and given back");
}
