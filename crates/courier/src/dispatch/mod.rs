//! From a due message to a settled one: permit → token → claim → look → call → settle, bounded by slots, fair between
//! accounts and priorities. Knows ports only; a node that loses its store loses time and no message.

mod gate;
mod kinds;
mod lane;
mod share;
mod slot;
mod steer;
mod table;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub use kinds::KindHold;
pub use lane::FAILURES_TO_CLOSE;
pub use slot::Slots;
use slot::{Round, Slot};
pub use steer::LaneView;

use crate::delivery::{Lease, LeaseRef, Policy};
use crate::message::{AccountName, Content, Message};
use crate::observer::{Event, Observer};
use crate::port::limiter::Limiter;
use crate::port::{Claimed, NodeEpoch, Queue, StoreError, Upstream};
use crate::time::{Clock, UnixMs};
use crate::token::Keeper;

/// How long it is believed that the store holds nothing due, if nobody says otherwise.
const POLL: Duration = Duration::from_secs(1);
/// How often a node says that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// How long a node may be silent before its leases are taken back.
pub const LEASE: Duration = Duration::from_secs(30);
/// The pause after the store could not be reached.
const STORE_PAUSE: Duration = Duration::from_millis(200);

/// What a node's dispatcher is made of.
pub struct Parts {
    /// The messages as jobs.
    pub queue: Arc<dyn Queue>,
    /// WeChat.
    pub upstream: Arc<dyn Upstream>,
    /// The accounts' tokens.
    pub keeper: Arc<Keeper>,
    /// Who may send how fast.
    pub limiter: Arc<dyn Limiter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The node's sender slots.
    pub slots: Arc<Slots>,
    /// The accounts' settings.
    pub policy: Arc<dyn Fn(&AccountName) -> Policy + Send + Sync>,
    /// The node's id.
    pub node: Arc<str>,
}

/// A node's dispatcher.
pub struct Dispatch {
    parts: Parts,
    turns: TaskTracker,
    runtime: Handle,
}

impl Dispatch {
    /// A dispatcher that runs its calls on the present runtime.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            turns: TaskTracker::new(),
            runtime: Handle::current(),
        })
    }

    /// A free slot for a message that is about to be stored, if nothing older waits.
    #[must_use]
    pub fn permit(self: &Arc<Self>, content: &Content, now: UnixMs) -> Option<Permit> {
        if !self.parts.keeper.ready(&content.account) {
            return None;
        }
        // Before the slot is taken, so that whoever stops the slots and then waits for the turns waits for this one too.
        let turn = self.turns.token();
        let (slot, by) = self.parts.slots.take_for_new(content, now)?;
        Some(Permit {
            slot,
            by,
            dispatch: Arc::clone(self),
            _turn: turn,
        })
    }

    /// Claims and sends until told to stop; then finishes what is under way, for at most `deadline`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, deadline: Duration) {
        let working = async {
            // A claim that was begun is waited for: else its leases would be nobody's, and count as calls after a restart.
            while !stop.is_cancelled() {
                self.claim_round(&stop).await;
            }
            self.parts.slots.drain();
            self.turns.close();
            self.turns.wait().await;
        };
        let stopping = async {
            stop.cancelled().await;
            self.parts.slots.drain();
            tokio::time::sleep(deadline).await;
        };
        tokio::select! {
            () = working => {}
            () = stopping => tracing::warn!("stopping with calls under way; their messages are in doubt"),
            () = self.beat() => {}
        }
    }

    async fn claim_round(self: &Arc<Self>, stop: &CancellationToken) {
        let Parts {
            slots,
            keeper,
            clock,
            ..
        } = &self.parts;
        let ready = |account: &AccountName| keeper.ready(account);
        let rounds = slots.plan(ready, POLL, clock.now());
        if rounds.is_empty() {
            let now = clock.now();
            let pause = slots
                .next_look(ready, POLL, now)
                .since(now)
                .clamp(Duration::from_millis(1), POLL);
            tokio::select! {
                () = stop.cancelled() => {}
                () = slots.woken() => {}
                () = tokio::time::sleep(pause) => {}
            }
            return;
        }
        let claims = rounds.into_iter().map(|round| self.claim(round));
        let mut failed = false;
        for (round, claimed) in join_all(claims).await {
            match claimed {
                None => {}
                Some(Ok(claimed)) => self.start(round, claimed),
                Some(Err(error)) => {
                    tracing::warn!(%error, account = %round.claim.account, "cannot claim");
                    slots.looked(round.lane, true, None, clock.now());
                    failed = true;
                }
            }
        }
        if failed {
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    /// Claims for as many of the slots as the account's rate allows; not at all if that is none.
    async fn claim(&self, mut round: Round) -> (Round, Option<Result<Claimed, StoreError>>) {
        let Parts {
            queue,
            clock,
            limiter,
            slots,
            ..
        } = &self.parts;
        let Some(rate) = round.rate else {
            let claimed = queue.claim(round.claim.clone(), clock.now()).await;
            return (round, Some(claimed));
        };
        let account = round.claim.account.clone();
        let grant = limiter
            .take(&account, rate, round.slots.len(), clock.now())
            .await;
        slots.keep(&mut round, grant.calls);
        if round.slots.is_empty() {
            slots.paced(round.lane, grant.again_at);
            return (round, None);
        }
        let claimed = queue.claim(round.claim.clone(), clock.now()).await;
        // What is put off before its call costs nothing of the rate.
        let now = clock.now();
        let goes = |message: &&Message| slots.held_back(&message.content, now).is_none();
        let used = claimed
            .as_ref()
            .map_or(0, |claimed| claimed.messages.iter().filter(goes).count());
        limiter
            .give_back(&account, grant.calls.saturating_sub(used))
            .await;
        (round, Some(claimed))
    }

    fn start(self: &Arc<Self>, round: Round, claimed: Claimed) {
        let now = self.parts.clock.now();
        let (more, next_due) = (claimed.more, claimed.next_due);
        self.parts.slots.looked(round.lane, more, next_due, now);
        for ended in claimed.suppressed {
            self.parts.observer.observe(&Event::Moved {
                id: ended.id,
                account: ended.account,
                status: ended.status,
                reason: ended.reason,
                msgid: None,
            });
        }
        let mut unfilled = Vec::new();
        let mut slots = round.slots.into_iter();
        for message in claimed.messages {
            let lease = LeaseRef {
                id: message.id,
                lease_seq: message.delivery.lease_seq,
            };
            match slots.next() {
                Some(mut slot) => {
                    if slot.fill(lease, &message.content.touser) {
                        self.begin(slot, message);
                    } else {
                        unfilled.push(lease);
                    }
                }
                None => unfilled.push(lease),
            }
        }
        if !unfilled.is_empty() {
            let (dispatch, account) = (Arc::clone(self), round.claim.account);
            self.turns.spawn_on(
                async move { dispatch.give_back(&account, unfilled).await },
                &self.runtime,
            );
        }
    }

    fn begin(self: &Arc<Self>, slot: Slot, message: Message) {
        let dispatch = Arc::clone(self);
        self.turns.spawn_on(
            async move { dispatch.turn(slot, message).await },
            &self.runtime,
        );
    }

    /// Says that the node lives, and takes back what dead nodes held; never returns.
    async fn beat(&self) {
        let Parts {
            queue,
            clock,
            slots,
            node,
            ..
        } = &self.parts;
        let mut contact_since: Option<UnixMs> = None;
        loop {
            let now = clock.now();
            let known = slots.epoch();
            match queue.beat(node, known, slots.in_flight(), now).await {
                Ok(epoch) => {
                    slots.set_epoch(Some(NodeEpoch {
                        node: Arc::clone(node),
                        epoch,
                    }));
                    let since = *contact_since.get_or_insert(now);
                    // Only a node whose own contact was unbroken may call another one dead.
                    if now.since(since) > LEASE
                        && let Err(error) = queue.reclaim(now.minus(LEASE), now).await
                    {
                        tracing::warn!(%error, "cannot reclaim");
                    }
                    tokio::time::sleep(BEAT).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot beat");
                    contact_since = None;
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            }
        }
    }
}

/// A free sender slot, held for a message that is being stored. Dropped unused, it is free again.
pub struct Permit {
    slot: Slot,
    by: NodeEpoch,
    dispatch: Arc<Dispatch>,
    /// A stop waits for the message that is being stored, else its turn would begin when nobody waits any more.
    _turn: TaskTrackerToken,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit")
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}

impl Permit {
    /// The lease under which the message is to be stored.
    #[must_use]
    pub fn lease(&self, now: UnixMs) -> Lease {
        Lease {
            node: self.by.node.to_string(),
            epoch: self.by.epoch,
            at: now,
        }
    }

    /// Who will send it.
    #[must_use]
    pub fn by(&self) -> &NodeEpoch {
        &self.by
    }

    /// Sends the message, which is stored by now. Called by the store itself, so that a caller who hangs up strands nothing.
    pub fn hand_over(mut self, message: Message) {
        let lease = LeaseRef {
            id: message.id,
            lease_seq: message.delivery.lease_seq,
        };
        // The recipient was reserved with the slot, so there is room.
        if self.slot.fill(lease, &message.content.touser) {
            self.dispatch.begin(self.slot, message);
        }
    }
}
