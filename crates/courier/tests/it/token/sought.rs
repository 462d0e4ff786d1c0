//! Whoever watches is told where a token was looked for, and what came of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hongyan_courier::message::AccountName;
use hongyan_courier::observer::{Event, Observer, Sought, Tier};
use hongyan_courier::port::{CacheError, Fence, Token, TokenCache, TokenMode};
use hongyan_courier::time::UnixMs;
use hongyan_courier::token::{Habit, Keeper, MemoryTokenCache, Parts};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rig::ACCOUNT;
use crate::rig::clock::PausedClock;
use crate::rig::stage::until;
use crate::rig::store::Unsteady;
use crate::rig::upstream::Scripted;

#[derive(Default)]
struct Notes(Mutex<Vec<(Tier, Sought)>>);

impl Notes {
    fn taken(&self) -> Vec<(Tier, Sought)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn observe(&self, _event: &Event) {}

    fn token_sought(&self, tier: Tier, sought: Sought) {
        self.0.lock().unwrap().push((tier, sought));
    }
}

/// A shared cache that cannot be reached.
struct Away;

#[async_trait]
impl TokenCache for Away {
    async fn get(&self, _: &AccountName) -> Result<Option<Token>, CacheError> {
        Err(CacheError("away".to_owned()))
    }

    async fn put(&self, _: &AccountName, _: Token, _: Fence) -> Result<bool, CacheError> {
        Err(CacheError("away".to_owned()))
    }

    async fn lock(
        &self,
        _: &AccountName,
        _: Duration,
        _: UnixMs,
    ) -> Result<Option<Fence>, CacheError> {
        Err(CacheError("away".to_owned()))
    }

    async fn unlock(&self, _: &AccountName, _: Fence) -> Result<(), CacheError> {
        Err(CacheError("away".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn every_look_for_a_token_is_told() {
    let clock = PausedClock::start();
    let wechat = Arc::new(Scripted::generous(&clock));
    let account = AccountName::from(ACCOUNT);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let shared = Arc::new(MemoryTokenCache::default());
    let caches: [(Arc<dyn TokenCache>, Sought); 3] = [
        (shared.clone(), Sought::Miss),
        // What the first node fetched.
        (shared, Sought::Hit),
        (Arc::new(Away), Sought::Error),
    ];
    for (cache, of_shared) in caches {
        let (notes, store) = (Arc::new(Notes::default()), Arc::<Unsteady>::default());
        let parts = Parts {
            cache,
            upstream: wechat.clone(),
            standings: store,
            clock: clock.clone(),
            // Behind a list, as in the program.
            observer: Arc::new(vec![notes.clone() as Arc<dyn Observer>]),
            ready: Arc::new(|| {}),
        };
        let habit = Habit {
            mode: TokenMode::Stable,
            probe: Duration::from_secs(60),
        };
        let keeper = Keeper::open(parts, [(account.clone(), habit)])
            .await
            .unwrap();
        assert!(!keeper.ready(&account));
        assert!(keeper.current(&account).is_err());
        assert_eq!(
            notes.taken(),
            [(Tier::Local, Sought::Miss)],
            "ready() only asks"
        );
        tasks.spawn(keeper.clone().keep(account.clone(), stop.clone()));
        until(async || keeper.ready(&account)).await;
        assert_eq!(notes.taken(), [(Tier::Shared, of_shared)]);
        keeper.current(&account).unwrap();
        assert_eq!(notes.taken(), [(Tier::Local, Sought::Hit)]);
    }
    assert_eq!(
        wechat.fetches(ACCOUNT).len(),
        2,
        "the second node fetched none"
    );
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
