//! A token is revoked under way: whoever was rejected goes again with the next one, and the next one is fetched once.
//! Nothing of it counts against a message.

use hongyan_courier::UnixMs;
use hongyan_courier::message::Status;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{Answer, Sent, numbered, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, openid, seconds};

const MESSAGES: usize = 10_000;

/// Rejects the first token from this moment on.
fn revoked_at(moment: UnixMs) -> impl Fn(&Sent) -> Answer {
    move |sent| match sent.token == "t1" && sent.at >= moment {
        true => Err(refused(40001)),
        false => Ok(None),
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_rejections_make_one_fetch_and_fail_nothing() {
    let settings = Settings::new(MESSAGES, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(revoked_at(NOW)).on_fetch(numbered())
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    let rejected = stage.wechat.sends(ACCOUNT);
    let rejected = rejected.iter().filter(|sent| sent.token == "t1").count();
    assert_eq!(rejected, MESSAGES, "all were under way with the old token");
    assert_eq!(stage.wechat.count(), 2 * MESSAGES);
    assert_eq!(
        stage.wechat.fetches(ACCOUNT).len(),
        2,
        "at the start, and once more"
    );
}

#[tokio::test(start_paused = true)]
async fn of_ten_thousand_that_wait_only_those_under_way_meet_the_rejection() {
    const SLOTS: usize = 100;
    let revoked = NOW.plus(seconds(2));
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_send(revoked_at(revoked)).on_fetch(numbered())
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    let rejected = stage.wechat.count() - MESSAGES;
    assert!((1..=SLOTS).contains(&rejected), "{rejected} rejections");
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_of_an_old_token_leaves_the_new_one_alone() {
    let slow = openid(0);
    let settings = Settings::new(10, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat
            .takes(move |content| seconds(if content.touser == slow { 30 } else { 1 }))
            .on_send(revoked_at(NOW))
            .on_fetch(numbered())
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..2)).await;
    // The quick one is rejected and goes again; the slow one's rejection is still on its way.
    until(async || stage.tally(ACCOUNT).await.contains_key(&Status::Sent)).await;
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 2);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 2).await;
    let tokens: Vec<String> = stage
        .wechat
        .sends(ACCOUNT)
        .into_iter()
        .map(|s| s.token)
        .collect();
    assert_eq!(tokens, ["t1", "t1", "t2", "t2"]);
    assert_eq!(
        stage.wechat.fetches(ACCOUNT).len(),
        2,
        "the late rejection fetched nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_says_nothing_of_the_same_token_as_it_came_again() {
    let slow = openid(0);
    let settings = Settings::new(2, &[ACCOUNT], WITHOUT_RECEIPTS);
    // The stable endpoint's only token, which is taken again from the third second on.
    let stage = Stage::open(settings, |wechat| {
        wechat
            .takes(move |content| seconds(if content.touser == slow { 30 } else { 1 }))
            .on_send(|sent| match sent.at < NOW.plus(seconds(2)) {
                true => Err(refused(40001)),
                false => Ok(None),
            })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..2)).await;
    stage.until_at(NOW.plus(seconds(10))).await;
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 1);
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 2).await;
    assert_eq!(
        stage.wechat.fetches(ACCOUNT).len(),
        2,
        "the late rejection fetched nothing"
    );
}
