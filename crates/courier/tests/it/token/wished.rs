//! An operator's forced wish is served by a forced fetch that begins after it, a plain one by any fetch, at most one in
//! ten seconds.

use hongyan_courier::Clock;
use hongyan_courier::port::TokenMode;
use hongyan_courier::token::RefreshError;

use crate::rig::clock::NOW;
use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{LATENCY, numbered, well_for};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, seconds};

/// The account's first fetch is under way.
async fn fetching() -> Stage {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_fetch(numbered())).await;
    tokio::time::sleep(LATENCY / 2).await;
    assert_eq!(modes(&stage), [TokenMode::Stable]);
    assert!(
        stage
            .node
            .keeper
            .view(&ACCOUNT.into())
            .unwrap()
            .token
            .is_none()
    );
    stage
}

fn modes(stage: &Stage) -> Vec<TokenMode> {
    let fetches = stage.wechat.fetches(ACCOUNT);
    fetches.iter().map(|fetch| fetch.mode).collect()
}

#[tokio::test(start_paused = true)]
async fn a_forced_wish_is_not_served_by_the_fetch_under_way() {
    let stage = fetching().await;
    let forced = stage.node.keeper.refresh(&ACCOUNT.into(), true).await;
    assert_eq!(forced, Ok(()));
    assert_eq!(modes(&stage), [TokenMode::Stable, TokenMode::Forced]);
    let view = stage.node.keeper.view(&ACCOUNT.into()).unwrap();
    assert_eq!(view.token.unwrap().secret.expose(), "t2");
}

#[tokio::test(start_paused = true)]
async fn a_plain_wish_does_not_lower_a_forced_one_and_is_served_with_it() {
    let stage = fetching().await;
    let (keeper, account) = (&stage.node.keeper, ACCOUNT.into());
    let wishes = tokio::join!(
        keeper.refresh(&account, true),
        keeper.refresh(&account, false),
        keeper.refresh(&account, true),
    );
    assert_eq!(wishes, (Ok(()), Ok(()), Ok(())));
    assert_eq!(modes(&stage), [TokenMode::Stable, TokenMode::Forced]);
}

#[tokio::test(start_paused = true)]
async fn a_forced_wish_too_soon_after_another_is_told_when() {
    let stage = fetching().await;
    let (keeper, account) = (&stage.node.keeper, ACCOUNT.into());
    assert_eq!(keeper.refresh(&account, true).await, Ok(()));
    let forced_at = stage.wechat.fetches(ACCOUNT)[1].at;
    let again_at = forced_at.plus(seconds(30));
    let too_often = Err(RefreshError::TooOften { again_at });
    assert_eq!(keeper.refresh(&account, true).await, too_often);
    stage.until_at(again_at).await;
    assert_eq!(keeper.refresh(&account, true).await, Ok(()));
    assert_eq!(modes(&stage)[1..], [TokenMode::Forced; 2]);
}

#[tokio::test(start_paused = true)]
async fn plain_wishes_one_after_the_other_cost_a_fetch_in_ten_seconds() {
    let stage = fetching().await;
    let (keeper, account) = (&stage.node.keeper, ACCOUNT.into());
    // Now one of them, now the other finds the fetch of the other under way.
    let wishing = async |pause| {
        while stage.clock.now() < NOW.plus(seconds(60)) {
            assert_eq!(keeper.refresh(&account, false).await, Ok(()));
            tokio::time::sleep(pause).await;
        }
    };
    tokio::join!(wishing(LATENCY / 5), wishing(LATENCY / 3));
    let fetches = stage.wechat.fetches(ACCOUNT);
    assert_eq!(fetches.len(), 6, "{fetches:?}");
    let pauses = fetches.windows(2).map(|two| two[1].at.since(two[0].at));
    assert!(pauses.min() >= Some(seconds(10)));
}

#[tokio::test(start_paused = true)]
async fn a_plain_wish_right_after_a_fetch_in_vain_is_told_when() {
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let stage = Stage::open(settings, |wechat| wechat.on_fetch(well_for(seconds(60))));
    let stage = stage.await;
    let (keeper, account) = (&stage.node.keeper, ACCOUNT.into());
    stage.until_at(NOW.plus(seconds(60))).await;
    let refused = keeper.refresh(&account, false).await;
    let in_vain = matches!(refused, Err(RefreshError::Failed(_)));
    assert!(in_vain, "{refused:?}");
    // That the token before still serves is not what was asked for.
    assert!(keeper.view(&account).unwrap().usable);
    let again_at = stage.wechat.fetches(ACCOUNT)[1]
        .at
        .plus(LATENCY + seconds(10));
    let too_soon = Err(RefreshError::TooSoon { again_at });
    assert_eq!(keeper.refresh(&account, false).await, too_soon);
    stage.until_at(again_at).await;
    assert_eq!(keeper.refresh(&account, false).await, refused);
    assert_eq!(stage.wechat.fetches(ACCOUNT).len(), 3);
}
