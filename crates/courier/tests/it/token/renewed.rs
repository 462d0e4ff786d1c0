//! A token is renewed before its end: not so early that WeChat would hand out the same one, not so late that calls meet it.
//! Where in that minute is drawn, so that many accounts do not ask at once.

use hongyan_courier::message::Status;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{numbered, refused};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

/// What WeChat gives a token.
const LIFE: u64 = 7_200;

#[tokio::test(start_paused = true)]
async fn every_token_is_renewed_between_five_and_four_minutes_before_its_end() {
    let names: Vec<String> = (0..12).map(|n| format!("account{n}")).collect();
    let accounts: Vec<&str> = names.iter().map(String::as_str).collect();
    let settings = Settings::new(1, &accounts, WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat).await;
    stage.until_at(NOW.plus(seconds(LIFE))).await;
    for account in accounts {
        let fetches = stage.wechat.fetches(account);
        assert_eq!(fetches.len(), 2, "{account}");
        let renewed_after = fetches[1].at.since(fetches[0].at).as_secs();
        assert!(
            (LIFE - 300..=LIFE - 240).contains(&renewed_after),
            "{account}: {renewed_after} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_meets_the_end_of_its_token() {
    let settings = Settings::new(4, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| {
        wechat.on_fetch(numbered()).on_send(|sent| {
            let ended = sent.token == "t1" && sent.at >= NOW.plus(seconds(LIFE));
            if ended { Err(refused(42001)) } else { Ok(None) }
        })
    });
    let stage = stage.await;
    for minute in 100..140 {
        stage.until_at(NOW.plus(seconds(60 * minute))).await;
        stage.hand_over(calls(ACCOUNT, 0..1)).await;
    }
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, 40).await;
    assert_eq!(stage.wechat.count(), 40, "none was rejected");
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 2);
}
