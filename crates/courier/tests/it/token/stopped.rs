//! The token endpoint says that an account is set up wrongly: that account stands still, says why, asks once a minute,
//! and goes on by itself when it is put right. Nobody else notices.

use hongyan_courier::account::StopCause;
use hongyan_courier::message::Status;
use hongyan_wechat::errcode::Endpoint;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{refused_at, token, well_for};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

const OTHER: &str = "school";
const MESSAGES: usize = 20;

async fn check(code: i64, errmsg: &'static str, cause: StopCause, detail: &str) {
    let put_right = NOW.plus(seconds(600));
    let settings = Settings::new(5, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_fetch(move |fetched| {
            if fetched.account.as_str() == ACCOUNT && fetched.at < put_right {
                return Err(refused_at(Endpoint::StableToken, code, errmsg));
            }
            Ok(token("t1"))
        })
    });
    let mut stage = stage.await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.hand_over(calls(OTHER, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(5))).await;
    stage.assert_all(OTHER, Status::Sent, MESSAGES).await;

    stage.until_at(NOW.plus(seconds(300))).await;
    stage.assert_all(ACCOUNT, Status::Queued, MESSAGES).await;
    assert!(stage.wechat.sends(ACCOUNT).is_empty());
    let view = stage.node.keeper.view(&ACCOUNT.into()).unwrap();
    let stop = view.standing.stop.clone().unwrap();
    assert_eq!((view.usable, stop.cause), (false, cause));
    assert!(stop.detail.contains(detail), "{}", stop.detail);
    assert!(stop.since.since(NOW) < seconds(1), "since the first time");
    assert_eq!(stage.standing(ACCOUNT).await, view.standing);
    let other = stage.node.keeper.view(&OTHER.into()).unwrap();
    assert_eq!(other.standing.stop, None);

    // A restart does not ask sooner.
    stage = stage.restart().await;
    stage.until_at(put_right).await;
    let fetches = stage.wechat.fetches(ACCOUNT).len();
    assert!(
        (9..=11).contains(&fetches),
        "{fetches} fetches in ten minutes"
    );
    stage.until_at(put_right.plus(seconds(65))).await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    assert_eq!(stage.standing(ACCOUNT).await.stop, None);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_stops_its_account_alone_until_it_is_put_right() {
    let words = "invalid credential, access_token is invalid or not latest";
    check(40001, words, StopCause::Credentials, "AppSecret").await;
    check(
        40125,
        "invalid appsecret",
        StopCause::Credentials,
        "AppSecret",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_on_the_whitelist_is_named() {
    let words = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 65-0-1";
    check(40164, words, StopCause::Address, "add 203.0.113.7 to").await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_is_used_although_the_next_one_is_refused() {
    let settings = Settings::new(5, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_fetch(well_for(seconds(60))));
    let stage = stage.await;
    stage.until_at(NOW.plus(seconds(7_100))).await;
    assert!(stage.standing(ACCOUNT).await.stop.is_some());
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(seconds(7_102))).await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
}
