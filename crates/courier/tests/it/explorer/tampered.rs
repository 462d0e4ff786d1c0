//! Ports that break one rule on purpose: the explorer must find each of them out, else its silence means nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{LeaseRef, Look, Outcome, Settlement};
use hongyan_courier::message::{AccountName, Reason, Status};
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, Claim, Claimed, Filter, Granted, Ledger, Moved, Queue, SendCall,
    StoreError, TokenMode, Upstream,
};
use hongyan_wechat::error::CallError;

use super::ports::NodePorts;
use super::wechat::message_of;
use crate::rig::upstream::Answer;

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Every call has a wire id of its own, so that WeChat does not know a repeat.
    SameWireId,
    /// The look says "go" whoever holds the lease.
    LookMindsTheLease,
    /// A call without an answer counts as one that was not made.
    DoubtIsKept,
    /// A restarted node gives its former leases back as if nothing had been called.
    RestartTakesBack,
    /// What was accepted is settled as in doubt.
    AcceptanceIsKept,
    /// A repeat is written whenever its turn comes, without asking whether the window is still open.
    GateMindsTheWindow,
    /// The look says "go" whoever is suppressed.
    LookMindsTheSuppression,
    /// What is sent anew goes out under the wire id of what was sent before.
    GenerationsDiffer,
}

/// A node's ports without one of the rules.
pub(crate) struct Tampered {
    ports: Arc<NodePorts>,
    without: Rule,
    calls: AtomicUsize,
}

impl Tampered {
    pub(crate) fn ports(
        ports: &Arc<NodePorts>,
        without: Rule,
    ) -> (Arc<dyn Queue>, Arc<dyn Upstream>) {
        let tampered = Arc::new(Self {
            ports: ports.clone(),
            without,
            calls: AtomicUsize::new(1),
        });
        (tampered.clone(), tampered)
    }

    fn spoil(&self, settlement: &mut Settlement) {
        let unanswered = matches!(
            settlement.outcome,
            Outcome::InDoubt | Outcome::Answered { errcode: -1, .. }
        );
        let accepted = matches!(settlement.outcome, Outcome::Accepted { .. });
        if self.without == Rule::DoubtIsKept && unanswered {
            settlement.outcome = Outcome::NotCalled {
                until: UnixMs(0),
                reason: Reason::UpstreamUnavailable,
            };
        }
        if self.without == Rule::AcceptanceIsKept && accepted {
            settlement.outcome = Outcome::InDoubt;
        }
    }

    /// The epoch that a former process of this node left in the store.
    async fn former_epoch(&self, node: &str) -> Option<i64> {
        let rows = self.ports.store.page(Filter::default(), 100).await.ok()?;
        let leases = rows.into_iter().filter_map(|row| row.delivery.lease);
        let mut own = leases.filter(|lease| lease.node == node);
        own.next().map(|lease| lease.epoch)
    }
}

#[async_trait]
impl Queue for Tampered {
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError> {
        self.ports.accept(call, now).await
    }

    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError> {
        self.ports.claim(claim, now).await
    }

    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError> {
        let look = self.ports.look(lease, now).await?;
        Ok(match self.without {
            Rule::LookMindsTheLease => Look::Go,
            Rule::LookMindsTheSuppression if matches!(look, Look::Ended(Status::Suppressed, _)) => {
                Look::Go
            }
            _ => look,
        })
    }

    async fn settle(&self, mut settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError> {
        self.spoil(&mut settlement);
        self.ports.settle(settlement, now).await
    }

    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError> {
        self.ports.release(leases, now).await
    }

    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        let known = match (self.without, known) {
            (Rule::RestartTakesBack, None) => self.former_epoch(node).await,
            _ => known,
        };
        self.ports.beat(node, known, in_flight, now).await
    }

    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError> {
        self.ports.reclaim(silent_since, now).await
    }
}

#[async_trait]
impl Upstream for Tampered {
    async fn send(&self, mut call: SendCall) -> Answer {
        if self.without == Rule::SameWireId {
            let nth = self.calls.fetch_add(1, Ordering::Relaxed);
            call.wire_id = format!("{}-{nth}", call.wire_id);
        }
        if self.without == Rule::GateMindsTheWindow {
            call.repeat = None;
        }
        if self.without == Rule::GenerationsDiffer {
            call.wire_id = message_of(&call.wire_id).on_the_wire(0);
        }
        self.ports.send(call).await
    }

    async fn fetch_token(
        &self,
        account: &AccountName,
        mode: TokenMode,
    ) -> Result<Granted, CallError> {
        self.ports.fetch_token(account, mode).await
    }
}
