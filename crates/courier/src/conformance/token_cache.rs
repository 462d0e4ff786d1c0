//! Promises of a token cache: one token an account for everybody, one holder of its lock at a time.

use std::time::Duration;

use hongyan_wechat::AccessToken;

use super::TokenCacheAdapter;
use super::fixture::{NOW, at};
use crate::message::AccountName;
use crate::port::{Fence, Token};

const LOCK: Duration = Duration::from_secs(30);

fn clinic() -> AccountName {
    "clinic".into()
}

fn token(text: &str) -> Token {
    Token {
        secret: AccessToken::new(text),
        expires_at: at(7_200),
        fetched_at: NOW,
    }
}

pub async fn a_token_is_got_as_it_was_put<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    assert!(cache.get(&clinic()).await.unwrap().is_none());
    let fence = cache.lock(&clinic(), LOCK, NOW).await.unwrap().unwrap();
    assert!(cache.put(&clinic(), token("t1"), fence).await.unwrap());
    let got = cache.get(&clinic()).await.unwrap().unwrap();
    assert_eq!(got.secret, AccessToken::new("t1"));
    assert_eq!((got.expires_at, got.fetched_at), (at(7_200), NOW));
}

pub async fn one_holder_at_a_time<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    let tries = (0..8).map(|_| {
        let cache = cache.clone();
        async move { cache.lock(&clinic(), LOCK, NOW).await.unwrap() }
    });
    let holders = futures::future::join_all(tries).await;
    assert_eq!(holders.iter().flatten().count(), 1);
}

pub async fn a_lock_runs_out<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    let first = cache.lock(&clinic(), LOCK, NOW).await.unwrap().unwrap();
    assert_eq!(cache.lock(&clinic(), LOCK, at(29)).await.unwrap(), None);
    let second = cache.lock(&clinic(), LOCK, at(30)).await.unwrap().unwrap();
    assert!(second > first);
}

pub async fn a_late_holder_overwrites_nothing<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    let late = cache.lock(&clinic(), LOCK, NOW).await.unwrap().unwrap();
    let fence = cache.lock(&clinic(), LOCK, at(31)).await.unwrap().unwrap();
    assert!(cache.put(&clinic(), token("new"), fence).await.unwrap());
    assert!(!cache.put(&clinic(), token("old"), late).await.unwrap());
    let got = cache.get(&clinic()).await.unwrap().unwrap();
    assert_eq!(got.secret, AccessToken::new("new"));
}

pub async fn a_lock_is_given_back_by_its_holder_alone<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    let fence = cache.lock(&clinic(), LOCK, NOW).await.unwrap().unwrap();
    cache.unlock(&clinic(), Fence(fence.0 + 1)).await.unwrap();
    assert_eq!(cache.lock(&clinic(), LOCK, at(1)).await.unwrap(), None);
    cache.unlock(&clinic(), fence).await.unwrap();
    assert!(cache.lock(&clinic(), LOCK, at(1)).await.unwrap().is_some());
}

pub async fn accounts_do_not_meet<A: TokenCacheAdapter>() {
    let cache = A::fresh().await;
    let fence = cache.lock(&clinic(), LOCK, NOW).await.unwrap().unwrap();
    cache.put(&clinic(), token("t1"), fence).await.unwrap();
    let school = AccountName::from("school");
    assert!(cache.get(&school).await.unwrap().is_none());
    assert!(cache.lock(&school, LOCK, NOW).await.unwrap().is_some());
}
