//! Somebody outside fetches the account's token too: each fetch kills the other's token, and calls are accepted in between.
//! Fetches stay within what WeChat allows in a day, and a single revocation waits for nothing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use hongyan_courier::message::Status;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{Scripted, Sent, numbered, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, openid, seconds};

/// Each token is good for so many calls.
fn good_for(calls: usize, wechat: Scripted) -> Scripted {
    let used: Mutex<HashMap<String, usize>> = Mutex::default();
    wechat.on_fetch(numbered()).on_send(move |sent: &Sent| {
        let mut used = used.lock().unwrap();
        let used = used.entry(sent.token.clone()).or_default();
        *used += 1;
        if *used > calls {
            Err(refused(40001))
        } else {
            Ok(None)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn acceptances_between_rejections_do_not_renew_the_ration() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let mut stage = Stage::open(settings, |wechat| good_for(1, wechat)).await;
    stage.hand_over(calls(ACCOUNT, 0..1_000)).await;
    for minutes in [10, 20, 60] {
        stage.until_at(NOW.plus(seconds(60 * minutes))).await;
        stage = stage.restart().await;
    }
    let fetches = stage.wechat.fetches(ACCOUNT);
    for (nth, first) in fetches.iter().enumerate() {
        let in_minute = fetches[nth..]
            .iter()
            .filter(|of| of.at.since(first.at) < seconds(60));
        // At the very first there is the fetch of the start beside them.
        let most = if nth == 0 { 4 } else { 3 };
        let count = in_minute.count();
        assert!(
            count <= most,
            "{count} fetches in a minute, from the {nth}th on"
        );
    }
    // One a minute, three at once, and one at each start.
    assert!(
        (55..=60 + 3 + 4).contains(&fetches.len()),
        "{}",
        fetches.len()
    );
    let sent = stage.tally(ACCOUNT).await[&Status::Sent];
    assert!(
        sent + 2 >= fetches.len(),
        "every token was used: {sent} sent"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_now_and_then_waits_for_nothing() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| good_for(10, wechat)).await;
    for minute in 1..=30 {
        let begun = NOW.plus(seconds(300 * minute));
        stage.until_at(begun).await;
        stage.hand_over(calls(ACCOUNT, 0..10)).await;
        stage.until_at(begun.plus(seconds(5))).await;
        let sent = stage.tally(ACCOUNT).await[&Status::Sent];
        assert_eq!(sent as u64, 10 * minute);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_tokens_late_acceptance_ends_no_trouble() {
    let slow = openid(0);
    let slow_one = slow.clone();
    let settings = Settings::new(2, &[ACCOUNT], WITHOUT_RECEIPTS);
    // The slow call was taken before the token was revoked; nothing is taken after it.
    let stage = Stage::open(settings, |wechat| {
        wechat
            .takes(move |content| seconds(if content.touser == slow { 50 } else { 1 }))
            .on_fetch(numbered())
            .on_send(move |sent| match sent.content.touser == slow_one {
                true => Ok(None),
                false => Err(refused(40001)),
            })
    });
    let stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    // Due before the others, so that it goes with the first token.
    stage.until_at(NOW.plus(Duration::from_millis(1))).await;
    stage.hand_over(calls(ACCOUNT, 1..10)).await;
    stage.until_at(NOW.plus(seconds(55))).await;
    let first = stage.wechat.sends(ACCOUNT);
    let slow = first.iter().find(|sent| sent.content.touser == openid(0));
    assert_eq!(slow.unwrap().token, "t1");
    assert_eq!(stage.tally(ACCOUNT).await[&Status::Sent], 1);
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 3);
    let view = stage.node.keeper.view(&ACCOUNT.into()).unwrap();
    assert!(view.standing.trouble.is_some());
    stage.until_at(NOW.plus(seconds(600))).await;
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 3);
}
