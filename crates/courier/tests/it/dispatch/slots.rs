//! Slots bound what is under way: in the node, in an account, and for a recipient.
//! They are used to the full, and a message that meets a free one needs no claim.

use hongyan_courier::message::Status;

use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{Sent, all_different, most_at_once};
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
