//! Promises of `standings`: how accounts stand is known after a restart, and flags are kept once.

use super::fixture::{ACCOUNT, NODE, NOW, answered, at, content};
use super::{Adapter, Stores};
use crate::account::{FlagSubject, Standing, Stop, StopCause, Trouble};
use crate::message::{AccountName, Content, Reason};
use crate::time::UnixMs;

pub async fn an_account_stands_well_until_something_is_stored<A: Adapter>() {
    let standings = A::fresh().await.stores().standings;
    let standing = standings.standing(&ACCOUNT.into()).await.unwrap();
    assert_eq!(standing, Standing::default());
}

pub async fn a_standing_survives_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let standings = adapter.stores().standings;
    let bad = Standing {
        stop: Some(Stop {
            cause: StopCause::Address,
            detail: "add 203.0.113.9 to the whitelist".into(),
            since: NOW,
            probe_at: at(60),
        }),
        trouble: Some(Trouble {
            since: NOW,
            fetches: vec![at(1), at(2)],
            rejected: "0d83b8a1".into(),
            rejections: 2,
            again: true,
        }),
        refetched_until: at(62),
        forced: vec![at(3)],
    };
    let (clinic, school) = (AccountName::from("clinic"), AccountName::from("school"));
    standings.set_standing(&school, bad.clone()).await.unwrap();
    standings.set_standing(&clinic, bad.clone()).await.unwrap();
    let well = Standing::default();
    standings.set_standing(&school, well.clone()).await.unwrap();
    drop(standings);
    let standings = adapter.reopened().await.stores().standings;
    assert_eq!(standings.standing(&clinic).await.unwrap(), bad);
    assert_eq!(standings.standing(&school).await.unwrap(), well);
}

async fn refused(stores: &Stores, openid: &str, errcode: i64, now: UnixMs) {
    let (_, message) = stores.leased(content(openid), now).await;
    stores.settle(&message, answered(errcode), now).await;
}

pub async fn flags_are_listed_newest_first<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    refused(&stores, "o1", 43004, NOW).await;
    refused(&stores, "o2", 43019, at(1)).await;
    refused(&stores, "o3", 40249, at(2)).await;
    let other = Content {
        account: "school".into(),
        ..content("o4")
    };
    stores.store(other, at(3)).await;
    let by = stores.join(NODE, at(3)).await;
    let of_school = crate::port::Claim {
        account: "school".into(),
        ..super::fixture::claim(&by, 1)
    };
    let message = stores.claim(of_school, at(3)).await.messages.remove(0);
    stores.settle(&message, answered(43004), at(3)).await;
    drop(stores);

    let standings = adapter.reopened().await.stores().standings;
    let flags = standings.flags(&ACCOUNT.into(), 2).await.unwrap();
    assert!(flags.iter().all(|of| of.account == ACCOUNT.into()));
    let first = &flags[0].flag;
    assert_eq!(first.subject, FlagSubject::Template);
    assert_eq!(first.key, "appointment");
    assert_eq!(first.reason, Reason::ContentBlocked);
    assert_eq!((first.errcode, first.at), (Some(40249), at(2)));
    assert_eq!(flags[1].flag.subject, FlagSubject::Recipient);
    assert_eq!(flags[1].flag.key, "o2");
    assert_eq!(flags.len(), 2);
}

pub async fn a_flag_raised_again_is_one_flag<A: Adapter>() {
    let stores = A::fresh().await.stores();
    refused(&stores, "o1", 43004, NOW).await;
    refused(&stores, "o2", 43004, at(1)).await;
    refused(&stores, "o1", 43004, at(2)).await;
    let flags = stores.standings.flags(&ACCOUNT.into(), 10).await.unwrap();
    let said: Vec<_> = flags
        .iter()
        .map(|of| (of.flag.key.as_str(), of.flag.at))
        .collect();
    assert_eq!(said, [("o1", at(2)), ("o2", at(1))]);
}
