//! The wall is set back: a nonce that was spent is remembered for as long as the wall calls its request fresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hongyan_courier::memory::MemoryStore;
use hongyan_courier::observer::Observer;
use hongyan_courier::port::{AcceptError, Ledger, Nonce};
use hongyan_courier::retention::{Keep, Pruner};
use hongyan_courier::{Clock, UnixMs};
use tokio_util::sync::CancellationToken;

use crate::rig::clock::NOW;

/// Runs forward, while the wall that it stands for may be set back.
#[derive(Default)]
struct Walled {
    elapsed_ms: AtomicI64,
    behind_ms: AtomicI64,
}

impl Clock for Walled {
    fn now(&self) -> UnixMs {
        UnixMs(NOW.0 + self.elapsed_ms.load(Ordering::SeqCst))
    }

    fn wall(&self) -> UnixMs {
        UnixMs(self.now().0 - self.behind_ms.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_nonce_is_remembered_until_the_wall_says_that_it_may_be_forgotten() {
    let (store, clock) = (
        Arc::new(MemoryStore::default()),
        Arc::new(Walled::default()),
    );
    let pruner = Pruner {
        ledger: store.clone(),
        clock: clock.clone(),
        observer: Arc::new(Vec::<Arc<dyn Observer>>::new()),
        keep: Keep::all(Duration::from_secs(30 * 86_400)),
    };
    let spend = async || {
        pruner.round(&CancellationToken::new()).await.unwrap();
        let nonce = Nonce {
            owner: "orders".to_owned(),
            nonce: "n1".to_owned(),
            expires_at: NOW.plus(Duration::from_secs(601)),
            body: None,
            act: None,
        };
        store.spend(nonce, clock.now()).await
    };
    assert!(spend().await.is_ok());
    clock.behind_ms.store(3_600_000, Ordering::SeqCst);
    for elapsed in [0, 602, 4_200] {
        clock.elapsed_ms.store(elapsed * 1_000, Ordering::SeqCst);
        let again = spend().await;
        assert!(matches!(again, Err(AcceptError::NonceSeen)), "{elapsed}");
    }
    clock.elapsed_ms.store(4_201_000, Ordering::SeqCst);
    assert!(
        spend().await.is_ok(),
        "it is old by the wall, and forgotten"
    );
}
