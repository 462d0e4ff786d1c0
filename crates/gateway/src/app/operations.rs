//! What operators work with, put together.

use std::sync::Arc;

use hongyan_courier::bulk_retry::BulkRetry;
use hongyan_courier::change::Changes;

use super::Core;
use crate::api::attention::Attention;
use crate::api::webhooks::Webhooks;

impl Core {
    pub(super) fn changes(&self) -> Arc<Changes> {
        Arc::new(Changes {
            ledger: self.store.clone(),
            slots: self.slots.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        })
    }

    pub(super) fn bulk_retry(&self) -> Arc<BulkRetry> {
        Arc::new(BulkRetry {
            ledger: self.store.clone(),
            dead_letters: self.store.clone(),
            slots: self.slots.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
        })
    }

    pub(super) fn attention(&self, webhooks: Arc<Webhooks>) -> Arc<Attention> {
        Arc::new(Attention {
            accounts: self.accounts.load_full(),
            conditions: self.conditions.clone(),
            quotas: self.quotas.clone(),
            book: self.store.clone(),
            templates: self.store.clone(),
            dead_letters: self.store.clone(),
            webhooks,
            clock: self.clock.clone(),
        })
    }
}
