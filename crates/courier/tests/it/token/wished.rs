//! An operator's wish is served by a fetch that begins after it, and a forced one by a forced fetch alone.

use hongyan_courier::port::TokenMode;
use hongyan_courier::token::RefreshError;

use crate::rig::node::Settings;
use crate::rig::stage::Stage;
use crate::rig::upstream::{LATENCY, numbered};
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
