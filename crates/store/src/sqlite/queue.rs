//! The messages as jobs: every call is an operation for the writer, except a look that memory can answer.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::delivery::{LeaseRef, Look, Settlement};
use hongyan_courier::port::{
    Accept, AcceptError, Accepted, Claim, Claimed, Moved, Queue, StoreError,
};

use super::SqliteStore;
use super::ops::accept::AcceptOp;
use super::ops::beat::{BeatOp, ReclaimOp};
use super::ops::claim::ClaimOp;
use super::ops::settle::{LookOp, ReleaseOp, SettleOp};

#[async_trait]
impl Queue for SqliteStore {
    async fn accept(&self, call: Accept, now: UnixMs) -> Result<Accepted, AcceptError> {
        let leased = Vec::new();
        self.ask_if_room(AcceptOp { call, now, leased }).await?
    }

    async fn claim(&self, claim: Claim, now: UnixMs) -> Result<Claimed, StoreError> {
        self.ask(ClaimOp { claim, now }).await
    }

    async fn look(&self, lease: LeaseRef, now: UnixMs) -> Result<Look, StoreError> {
        // The board outlives the writer, but a call whose outcome nobody can write down must not go out.
        self.check_writer()?;
        match self.board.look(lease, now) {
            Some(look) => Ok(look),
            None => self.ask(LookOp { lease, now }).await,
        }
    }

    async fn settle(&self, settlement: Settlement, now: UnixMs) -> Result<Moved, StoreError> {
        self.ask(SettleOp { settlement, now }).await
    }

    async fn release(&self, leases: Vec<LeaseRef>, now: UnixMs) -> Result<(), StoreError> {
        self.ask(ReleaseOp { leases, now }).await
    }

    async fn beat(
        &self,
        node: &str,
        known: Option<i64>,
        in_flight: Vec<LeaseRef>,
        now: UnixMs,
    ) -> Result<i64, StoreError> {
        let node = node.to_owned();
        self.ask(BeatOp {
            node,
            known,
            in_flight,
            now,
        })
        .await
    }

    async fn reclaim(&self, silent_since: UnixMs, now: UnixMs) -> Result<usize, StoreError> {
        self.ask(ReclaimOp { silent_since, now }).await
    }
}
