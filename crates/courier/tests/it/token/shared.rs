//! The token that all nodes share: whoever starts takes it instead of fetching, unless it is the one that was rejected.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::account::{Standing, Trouble};
use hongyan_courier::port::{Standings, Token, TokenCache};
use hongyan_courier::token::MemoryTokenCache;
use hongyan_wechat::AccessToken;

use crate::rig::clock::{NOW, PausedClock};
use crate::rig::node::{Node, Ports, Settings};
use crate::rig::store::Unsteady;
use crate::rig::upstream::{LATENCY, Scripted, token};
use crate::rig::{ACCOUNT, WITHOUT_RECEIPTS, calls, seconds};

/// What another node shared.
fn shared() -> Token {
    Token {
        secret: AccessToken::new("t1"),
        expires_at: NOW.plus(seconds(7_200)),
        fetched_at: NOW,
    }
}

/// Starts a node beside another, whose token is in the cache, and lets it send one message. Answers with which token it
/// did, and when.
async fn sends_with(standing: Standing) -> (String, UnixMs) {
    let (clock, store) = (PausedClock::start(), Arc::<Unsteady>::default());
    let cache = Arc::new(MemoryTokenCache::default());
    let account = ACCOUNT.into();
    let fence = cache.lock(&account, seconds(1), NOW).await.unwrap();
    let fence = fence.unwrap();
    cache.put(&account, shared(), fence).await.unwrap();
    cache.unlock(&account, fence).await.unwrap();
    store.set_standing(&account, standing).await.unwrap();
    let wechat = Arc::new(Scripted::generous(&clock).on_fetch(|_| Ok(token("t2"))));
    let ports = Ports {
        queue: store.clone(),
        ledger: store.inner.clone(),
        standings: store,
        cache,
        upstream: wechat.clone(),
    };
    let settings = Settings::new(1, &[ACCOUNT], WITHOUT_RECEIPTS);
    let node = Node::start(ports, settings, clock.clone()).await;
    node.acceptor.accept(calls(ACCOUNT, 0..1)).await.unwrap();
    tokio::time::sleep(seconds(10)).await;
    let first = &wechat.sends(ACCOUNT)[0];
    (first.token.clone(), first.at)
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_takes_the_token_that_is_there() {
    let (token, at) = sends_with(Standing::default()).await;
    assert_eq!(token, "t1");
    assert!(at < NOW.plus(LATENCY), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_not_taken_from_other_nodes_and_the_fetch_is_rationed() {
    let rejected = shared().secret.fingerprint();
    let standing = Standing {
        trouble: Some(Trouble::begin(rejected, NOW, NOW)),
        ..Standing::default()
    };
    let (token, at) = sends_with(standing).await;
    assert_eq!(token, "t2");
    assert!(at >= NOW.plus(seconds(2)), "{at:?}");
}
