//! Broadcasts: what is asked for, rows handed over in pieces, wishes, and how far they are.
//! It must not send anything: rows become messages in `courier::broadcast::expand`.

pub mod change;
pub mod create;
pub mod drafts;
pub mod list;
mod recipients;
pub mod rows;
mod sample;
pub mod show;

use std::sync::Arc;

use hongyan_courier::broadcast::Broadcast;
use hongyan_courier::broadcast::BroadcastId;
use hongyan_courier::broadcast::port::Broadcasts;
use hongyan_courier::dispatch::Slots;
use hongyan_courier::port::{ChangeError, Ledger};
use hongyan_courier::template::book::Book;
use hongyan_courier::time::Clock;
use hongyan_courier::token::Keeper;
use tokio::sync::Notify;

use crate::api::error::Problem;
use crate::auth::client::Identity;
use drafts::RowDrafts;

/// What the calls are made of.
pub struct Broadcasting {
    pub broadcasts: Arc<dyn Broadcasts>,
    pub ledger: Arc<dyn Ledger>,
    pub drafts: Arc<RowDrafts>,
    pub book: Arc<Book>,
    /// What holds an account back, and its token.
    pub slots: Arc<Slots>,
    pub keeper: Arc<Keeper>,
    pub clock: Arc<dyn Clock>,
    /// Whoever expands is told that something changed.
    pub wake: Arc<Notify>,
}

impl Broadcasting {
    async fn find(&self, id: BroadcastId) -> Result<Broadcast, Problem> {
        let found = self.broadcasts.broadcast(id).await?;
        found.ok_or_else(not_found)
    }

    /// A broadcast. One that the caller does not reach is not there.
    async fn reached(&self, id: BroadcastId, caller: &Identity) -> Result<Broadcast, Problem> {
        let found = self.find(id).await?;
        let order = &found.order;
        if !caller.reaches(&order.account, order.template_id()) {
            return Err(not_found());
        }
        Ok(found)
    }
}

fn broadcast_id(text: &str) -> Result<BroadcastId, Problem> {
    text.parse().map_err(|_| not_found())
}

fn not_found() -> Problem {
    Problem::not_found("there is no such broadcast")
}

/// As for a message, but it is a broadcast that is not there.
fn refused<R: std::error::Error>(error: ChangeError<R>) -> Problem {
    match error {
        ChangeError::NotFound => not_found(),
        other => other.into(),
    }
}
