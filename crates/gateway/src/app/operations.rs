//! What operators work with, put together.

use std::sync::Arc;

use hongyan_courier::bulk_retry::BulkRetry;

use super::Core;
use crate::api::attention::Attention;

impl Core {
    pub(super) fn bulk_retry(&self) -> Arc<BulkRetry> {
        Arc::new(BulkRetry {
            ledger: self.store.clone(),
            dead_letters: self.store.clone(),
            slots: self.slots.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        })
    }

    pub(super) fn attention(&self) -> Arc<Attention> {
        Arc::new(Attention {
            accounts: self.accounts.clone(),
            conditions: self.conditions.clone(),
            standings: self.store.clone(),
            dead_letters: self.store.clone(),
            clock: self.clock.clone(),
        })
    }
}
