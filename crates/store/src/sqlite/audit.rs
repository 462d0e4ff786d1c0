//! Who did what: entries are operations for the writer, pages are reads.

use async_trait::async_trait;
use hongyan_courier::audit::{Act, Audit, AuditFilter, Entry};
use hongyan_courier::port::StoreError;

use super::SqliteStore;
use super::ops::audit::RecordOp;
use super::read::audit;

#[async_trait]
impl Audit for SqliteStore {
    async fn record(&self, act: Act) -> Result<(), StoreError> {
        self.ask(RecordOp { act }).await
    }

    async fn audited(&self, filter: AuditFilter, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.read("audited", move |reader| audit::page(reader, &filter, limit))
            .await
    }
}
