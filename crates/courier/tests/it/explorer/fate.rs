//! What befalls a node: at its k-th call it dies, freezes, or loses the store, before the call takes effect or after.
//! It knows nothing of messages; the ports in `ports` ask it at every call.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::port::{AcceptError, CacheError, ChangeError, StoreError};
use tokio::time::Instant;

/// On which side of the call's effect it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    /// The call is done, and its answer is lost.
    After,
}

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The process is gone.
    Crash,
    /// Nothing of the process happens for so long, then everything goes on.
    Freeze(Duration),
    /// The store is out of this node's reach for so long.
    Cut(Duration),
    /// The store is out of everybody's reach for so long.
    Outage(Duration),
    /// A caller cancels every message.
    Cancel,
    /// A person does not want any recipient written to.
    Suppress,
    /// A person wants all of them written to again.
    Resume,
}

/// One blow, at one call of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) point: usize,
    pub(crate) side: Side,
    pub(crate) blow: Blow,
}

/// The store itself, as far as all nodes share its troubles.
#[derive(Debug, Default)]
pub(crate) struct StoreHealth {
    away_until: Mutex<Option<Instant>>,
}

impl StoreHealth {
    fn is_away(&self) -> bool {
        let until = *self.away_until.lock().unwrap();
        until.is_some_and(|until| Instant::now() < until)
    }

    fn away(&self, how_long: Duration) {
        *self.away_until.lock().unwrap() = Some(Instant::now() + how_long);
    }
}

/// Does what somebody outside wishes at this very moment.
pub(crate) type Wish = Box<dyn Fn(Blow) + Send + Sync>;

/// One node's fate.
pub(crate) struct Fate {
    pub(crate) node: String,
    health: Arc<StoreHealth>,
    own: StoreHealth,
    strike: Option<Strike>,
    wish: Wish,
    /// Calls count once the story begins.
    armed: AtomicBool,
    /// How many calls there were at which something could have struck.
    points: AtomicUsize,
    struck: AtomicBool,
    dead: AtomicBool,
    frozen_until: Mutex<Option<Instant>>,
}

/// What a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereto {
    Store,
    /// WeChat, or the token cache: a store that is away does not matter.
    Elsewhere,
}

impl Fate {
    pub(crate) fn new(
        node: &str,
        health: Arc<StoreHealth>,
        strike: Option<Strike>,
        wish: Wish,
    ) -> Arc<Self> {
        Arc::new(Self {
            node: node.to_owned(),
            health,
            own: StoreHealth::default(),
            strike,
            wish,
            armed: AtomicBool::new(false),
            points: AtomicUsize::new(0),
            struck: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            frozen_until: Mutex::default(),
        })
    }

    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// Whether its calls are counted: from the story's beginning until it is struck.
    pub(crate) fn counts(&self) -> bool {
        let over = self.strike.is_none() || self.has_struck() || self.is_dead();
        self.armed.load(Ordering::Relaxed) && !over
    }

    pub(crate) fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Takes a call through whatever befalls the node. `counts` says whether it is a point at which something may strike.
    pub(crate) async fn pass<T, E: Away>(
        &self,
        whereto: Whereto,
        counts: bool,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let point = self.point(counts);
        self.go_on(whereto).await?;
        if self.strikes(point, Side::Before) {
            self.go_on(whereto).await?;
        }
        let answer = effect.await;
        self.strikes(point, Side::After);
        self.go_on(whereto).await?;
        answer
    }

    /// A call that is a point if it turns out to have changed something, which nobody can know before.
    pub(crate) async fn pass_quietly<T, E: Away>(
        &self,
        whereto: Whereto,
        changed: impl FnOnce(&T) -> bool,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.go_on(whereto).await?;
        let answer = effect.await;
        let point = self.point(answer.as_ref().is_ok_and(changed));
        self.strikes(point, Side::After);
        self.go_on(whereto).await?;
        answer
    }

    fn point(&self, counts: bool) -> Option<usize> {
        let counts = counts && self.counts();
        counts.then(|| self.points.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn strikes(&self, point: Option<usize>, side: Side) -> bool {
        let strike = self
            .strike
            .filter(|strike| Some(strike.point) == point && strike.side == side);
        let Some(strike) = strike else { return false };
        self.struck.store(true, Ordering::Relaxed);
        match strike.blow {
            Blow::Crash => self.dead.store(true, Ordering::Relaxed),
            Blow::Freeze(how_long) => {
                *self.frozen_until.lock().unwrap() = Some(Instant::now() + how_long);
            }
            Blow::Cut(how_long) => self.own.away(how_long),
            Blow::Outage(how_long) => self.health.away(how_long),
            Blow::Cancel | Blow::Suppress | Blow::Resume => (self.wish)(strike.blow),
        }
        true
    }

    /// Waits while nothing of the node can happen: for ever if it is dead.
    async fn go_on<E: Away>(&self, whereto: Whereto) -> Result<(), E> {
        loop {
            if self.is_dead() {
                pending::<()>().await;
            }
            let until = *self.frozen_until.lock().unwrap();
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => break,
            }
        }
        let away = whereto == Whereto::Store && (self.own.is_away() || self.health.is_away());
        if away { Err(E::away()) } else { Ok(()) }
    }
}

/// An error that says: out of reach.
pub(crate) trait Away {
    fn away() -> Self;
}

impl Away for StoreError {
    fn away() -> Self {
        Self::Unavailable("out of reach".into())
    }
}

impl Away for AcceptError {
    fn away() -> Self {
        Self::Store(Away::away())
    }
}

impl<R: std::error::Error> Away for ChangeError<R> {
    fn away() -> Self {
        Self::Store(Away::away())
    }
}

impl Away for CacheError {
    fn away() -> Self {
        Self("out of reach".into())
    }
}
