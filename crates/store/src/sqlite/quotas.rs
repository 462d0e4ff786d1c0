//! How much of their quotas accounts have spent: one change, two reads.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::StoreError;
use hongyan_courier::port::quota::QuotaBook;
use hongyan_courier::quota::QuotaRecord;

use super::SqliteStore;
use super::ops::quota::SetQuotaOp;
use super::read::quota;

#[async_trait]
impl QuotaBook for SqliteStore {
    async fn quota(&self, account: &AccountName) -> Result<QuotaRecord, StoreError> {
        let account = account.clone();
        self.read("quota", move |reader| quota::quota(reader, &account))
            .await
    }

    async fn set_quota(
        &self,
        account: &AccountName,
        record: QuotaRecord,
    ) -> Result<(), StoreError> {
        let account = account.clone();
        self.ask(SetQuotaOp { account, record }).await
    }

    async fn queued_before(
        &self,
        account: &AccountName,
        until: UnixMs,
    ) -> Result<[u64; 3], StoreError> {
        let account = account.clone();
        self.read("queued_before", move |reader| {
            quota::queued_before(reader, &account, until)
        })
        .await
    }
}
