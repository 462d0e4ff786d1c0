//! WeChat rejects whatever it hands out: fetches are rationed, across restarts too; messages wait, and others go on.
//! When it takes tokens again everything is sent.

use std::time::Duration;

use hongyan_courier::message::{Reason, Status};
use hongyan_courier::port::{Granted, TokenMode};
use hongyan_courier::{Clock, UnixMs};
use hongyan_wechat::error::CallError;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::{Stage, until};
use crate::rig::upstream::{Fetched, Scripted, numbered, refused, stable};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

const OTHER: &str = "school";
const SLOTS: usize = 10;
const MESSAGES: usize = 50;
/// So long no token of the account is any good.
const TROUBLE: Duration = Duration::from_secs(3_600);

/// One hour of rejections with these tokens, and restarts on the way; then WeChat takes tokens again.
async fn an_hour_of_rejections(
    tokens: impl Fn(&Fetched) -> Result<Granted, CallError> + Send + Sync + 'static,
    restarts: &[u64],
) -> Stage {
    let well = NOW.plus(TROUBLE);
    let settings = Settings::new(SLOTS, &[ACCOUNT, OTHER], WITHOUT_RECEIPTS);
    let script = |wechat: Scripted| {
        let tokens = wechat.on_fetch(tokens);
        tokens.on_send(move |sent| {
            let rejected = sent.account.as_str() == ACCOUNT && sent.at < well;
            if rejected {
                Err(refused(40001))
            } else {
                Ok(None)
            }
        })
    };
    let mut stage = Stage::open(settings, script).await;
    stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
    for restart in restarts {
        stage.until_at(NOW.plus(seconds(*restart))).await;
        stage = stage.restart().await;
    }
    stage.until_at(NOW.plus(TROUBLE / 2)).await;
    stage.hand_over(calls(OTHER, 0..MESSAGES)).await;
    stage.until_at(NOW.plus(TROUBLE / 2 + seconds(5))).await;
    stage.assert_all(OTHER, Status::Sent, MESSAGES).await;
    stage.until_at(well).await;
    stage.assert_all(ACCOUNT, Status::Queued, MESSAGES).await;
    let trouble = stage.standing(ACCOUNT).await.trouble;
    assert!(trouble.unwrap().is_serious(), "something must be wrong");
    stage
}

fn assert_rationed(fetches: &[Fetched]) {
    let times: Vec<UnixMs> = fetches.iter().map(|of| of.at).collect();
    let in_first_minute = |at: &&UnixMs| at.since(times[0]) < seconds(60);
    assert_eq!(times.iter().filter(in_first_minute).count(), 3, "{times:?}");
    let pauses = times[2..].windows(2).map(|two| two[1].since(two[0]));
    for pause in pauses {
        assert!(pause >= seconds(600), "{pause:?} in {times:?}");
        assert!(pause < seconds(605), "{pause:?} in {times:?}");
    }
    assert_eq!(times.len(), 3 + 5, "{times:?}");
}

async fn assert_recovers(stage: &Stage) {
    stage.all_over().await;
    stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    assert_eq!(
        stage.wechat.fetches(ACCOUNT).len(),
        3 + 6,
        "one more was enough"
    );
    assert_eq!(stage.standing(ACCOUNT).await.trouble, None);
}

#[tokio::test(start_paused = true)]
async fn rejected_tokens_are_fetched_three_times_in_a_minute_then_once_in_ten() {
    let stage = an_hour_of_rejections(numbered(), &[]).await;
    assert_rationed(&stage.wechat.fetches(ACCOUNT));
    let waits = stage.messages(ACCOUNT).await;
    assert!(
        waits
            .iter()
            .any(|of| of.delivery.reason == Some(Reason::TokenRejected))
    );
    let calls = stage.wechat.sends(ACCOUNT).len();
    assert!(calls <= 8 * SLOTS, "{calls} calls with eight tokens");
    assert_recovers(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_rejected_token_again_is_rationed_alike_and_tried_by_few_calls() {
    let stage = an_hour_of_rejections(stable(), &[]).await;
    let fetches = stage.wechat.fetches(ACCOUNT);
    assert_rationed(&fetches);
    let sends = stage.wechat.sends(ACCOUNT);
    for (nth, fetch) in fetches.iter().enumerate() {
        let next = fetches.get(nth + 1).map_or(NOW.plus(TROUBLE), |of| of.at);
        let tries = sends.iter().filter(|of| fetch.at <= of.at && of.at < next);
        let tries = tries.count();
        assert!((1..=SLOTS).contains(&tries), "{tries} after the {nth}th");
    }
    // A token that was tried in vain twice is not asked for a third time.
    let modes: Vec<TokenMode> = fetches[1..].iter().map(|of| of.mode).collect();
    let in_turn = [TokenMode::Stable, TokenMode::Forced].repeat(4);
    assert_eq!(modes, in_turn[..modes.len()]);
    assert_recovers(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_goes_on_within_ten_minutes_of_the_last_rejection() {
    // Before and after the first forced fetch, and again.
    for minutes in [5, 15, 25] {
        let well = NOW.plus(seconds(60 * minutes));
        let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
        let stage = Stage::open(settings, |wechat| {
            wechat
                .on_fetch(stable())
                .on_send(move |sent| match sent.at < well {
                    true => Err(refused(40001)),
                    false => Ok(None),
                })
        });
        let stage = stage.await;
        stage.hand_over(calls(ACCOUNT, 0..MESSAGES)).await;
        stage.until_at(well).await;
        stage.assert_all(ACCOUNT, Status::Queued, MESSAGES).await;
        stage.until_at(well.plus(seconds(602))).await;
        stage.assert_all(ACCOUNT, Status::Sent, MESSAGES).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_forget_that_the_next_fetch_is_to_be_forced() {
    let stage = an_hour_of_rejections(stable(), &[10]).await;
    let fetches = stage.wechat.fetches(ACCOUNT);
    assert_rationed(&fetches);
    let modes: Vec<TokenMode> = fetches.iter().map(|of| of.mode).collect();
    let plain = TokenMode::Stable;
    assert_eq!(modes[..3], [plain, plain, TokenMode::Forced]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_start_the_ration_anew() {
    let stage = an_hour_of_rejections(numbered(), &[5, 30, 300, 900]).await;
    assert_rationed(&stage.wechat.fetches(ACCOUNT));
    assert_recovers(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_an_account_that_is_well_fetches_at_once() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let mut stage = Stage::open(settings, |wechat| wechat.on_fetch(numbered())).await;
    for restart in 1..=10 {
        stage.hand_over(calls(ACCOUNT, 0..1)).await;
        stage.all_over().await;
        assert!(stage.clock.now().since(NOW) < seconds(restart));
        stage = stage.restart().await;
    }
    stage.assert_all(ACCOUNT, Status::Sent, 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_a_restart_would_forget_is_not_made() {
    let settings = Settings::new(SLOTS, &[ACCOUNT], WITHOUT_RECEIPTS);
    let rejecting = |wechat: Scripted| wechat.on_send(|_| Err(refused(40001))).on_fetch(numbered());
    let stage = Stage::open(settings, rejecting).await;
    stage.hand_over(calls(ACCOUNT, 0..1)).await;
    // Trouble has begun, and the next fetch would go in a moment.
    until(async || stage.standing(ACCOUNT).await.trouble.is_some()).await;
    let trouble = stage.standing(ACCOUNT).await.trouble;
    assert!(!trouble.unwrap().is_serious(), "it may be over already");
    stage.store.go_away();
    stage.until_at(NOW.plus(seconds(60))).await;
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 1);
    stage.store.come_back();
    stage.until_at(NOW.plus(seconds(70))).await;
    assert!(stage.wechat.fetches(ACCOUNT).len() > 1);
}
