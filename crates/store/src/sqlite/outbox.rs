//! The events that wait to be posted: changes are operations for the writer, the rest are reads.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::webhook::{
    Again, Backlog, EventId, EventState, Kept, Outbox, Subscription, Taken, Verdict,
};

use super::SqliteStore;
use super::ops::events::{PostAgainOp, ResumeOp, SubscribeOp, TakeOp, TriedOp};
use super::read::events;

#[async_trait]
impl Outbox for SqliteStore {
    async fn subscribe(&self, webhooks: Vec<Subscription>) -> Result<(), StoreError> {
        self.ask(SubscribeOp { webhooks }).await
    }

    async fn take(
        &self,
        webhook: &str,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Taken>, StoreError> {
        let webhook = webhook.to_owned();
        self.ask(TakeOp {
            webhook,
            limit,
            now,
        })
        .await
    }

    async fn tried(&self, tries: Vec<(EventId, Verdict)>, now: UnixMs) -> Result<(), StoreError> {
        self.ask(TriedOp { tries, now }).await
    }

    async fn resume(
        &self,
        webhook: &str,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<bool, AcceptError> {
        let webhook = webhook.to_owned();
        self.ask(ResumeOp {
            webhook,
            nonce,
            now,
        })
        .await?
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, StoreError> {
        self.read("backlogs", events::backlogs).await
    }

    async fn events(
        &self,
        webhook: &str,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError> {
        let webhook = webhook.to_owned();
        self.read("events", move |reader| {
            events::page(reader, &webhook, state, before, limit)
        })
        .await
    }

    async fn post_again(
        &self,
        webhook: &str,
        which: Again,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<usize, AcceptError> {
        let webhook = webhook.to_owned();
        self.ask(PostAgainOp {
            webhook,
            which,
            limit,
            nonce,
            now,
        })
        .await?
    }
}
