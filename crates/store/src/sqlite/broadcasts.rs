//! The broadcasts: changes are operations for the writer, the rest are reads.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::broadcast::port::{
    Append, AppendRefused, BroadcastFilter, Broadcasts, Enforced, Follow,
};
use hongyan_courier::broadcast::rows::BadRow;
use hongyan_courier::broadcast::{Broadcast, BroadcastId, NewBroadcast, Wish, WishRefused};
use hongyan_courier::port::{AcceptError, ChangeError, IdempotencyKey, Nonce, StoreError};

use super::SqliteStore;
use super::ops::broadcast::{AppendOp, CreateOp, FollowOp, WishOp};
use super::ops::enforce::EnforceOp;
use super::read::broadcast;

#[async_trait]
impl Broadcasts for SqliteStore {
    async fn create(
        &self,
        new: NewBroadcast,
        key: Option<IdempotencyKey>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(BroadcastId, bool), AcceptError> {
        self.ask_if_room(CreateOp {
            new,
            key,
            nonce,
            now,
        })
        .await?
    }

    async fn broadcast(&self, id: BroadcastId) -> Result<Option<Broadcast>, StoreError> {
        self.read("broadcast", move |reader| {
            broadcast::find(&reader.conn, &mut reader.accounts, id)
        })
        .await
    }

    async fn broadcasts(
        &self,
        filter: BroadcastFilter,
        limit: usize,
    ) -> Result<Vec<Broadcast>, StoreError> {
        self.read("broadcasts", move |reader| {
            broadcast::page(reader, &filter, limit)
        })
        .await
    }

    async fn alive(&self, now: UnixMs) -> Result<Vec<Broadcast>, StoreError> {
        self.read("alive_broadcasts", move |reader| {
            broadcast::alive(reader, now)
        })
        .await
    }

    async fn append(
        &self,
        id: BroadcastId,
        append: Append,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Broadcast, ChangeError<AppendRefused>> {
        self.ask_if_room(AppendOp {
            id,
            append,
            nonce,
            now,
        })
        .await?
    }

    async fn follow(
        &self,
        id: BroadcastId,
        follow: Follow,
        now: UnixMs,
    ) -> Result<bool, StoreError> {
        self.ask(FollowOp { id, follow, now }).await
    }

    async fn rows(&self, id: BroadcastId, from: u64, about: usize) -> Result<Vec<u8>, StoreError> {
        self.read("broadcast_rows", move |reader| {
            broadcast::rows(&reader.conn, id, from, about)
        })
        .await
    }

    async fn bad_rows(&self, id: BroadcastId, limit: usize) -> Result<Vec<BadRow>, StoreError> {
        self.read("bad_rows", move |reader| {
            broadcast::bad_rows(reader, id, limit)
        })
        .await
    }

    async fn wish(
        &self,
        id: BroadcastId,
        wish: Wish,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Broadcast, ChangeError<WishRefused>> {
        self.ask(WishOp {
            id,
            wish,
            nonce,
            now,
        })
        .await?
    }

    async fn enforce(
        &self,
        id: BroadcastId,
        limit: usize,
        now: UnixMs,
    ) -> Result<Enforced, StoreError> {
        self.ask(EnforceOp { id, limit, now }).await
    }
}
