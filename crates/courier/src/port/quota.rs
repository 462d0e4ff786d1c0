//! What the quota keeper needs of the outside: a place for what must survive a restart, and WeChat's two calls.

use async_trait::async_trait;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;
use hongyan_wechat::quota::QuotaReport;

use crate::message::{AccountName, Kind};
use crate::port::StoreError;
use crate::quota::QuotaRecord;
use crate::time::UnixMs;

/// How much of the day's quota is spent, across restarts.
#[async_trait]
pub trait QuotaBook: Send + Sync {
    /// What is known of an account's quota.
    async fn quota(&self, account: &AccountName) -> Result<QuotaRecord, StoreError>;
    /// Durable when answered.
    async fn set_quota(&self, account: &AccountName, record: QuotaRecord)
    -> Result<(), StoreError>;
    /// How many of an account's messages wait that are due before `until`, in the order of
    /// [`Priority::ALL`](crate::message::Priority::ALL).
    async fn queued_before(
        &self,
        account: &AccountName,
        until: UnixMs,
    ) -> Result<[u64; 3], StoreError>;
}

/// WeChat's word on quotas.
#[async_trait]
pub trait QuotaDesk: Send + Sync {
    /// What is left of the account's sends of a kind today.
    async fn report(
        &self,
        account: &AccountName,
        kind: Kind,
        token: &AccessToken,
    ) -> Result<QuotaReport, CallError>;
    /// Clears the day's quotas of all the account's calls; without a token by the secret.
    async fn clear(
        &self,
        account: &AccountName,
        token: Option<&AccessToken>,
    ) -> Result<(), CallError>;
}
