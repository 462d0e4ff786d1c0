//! What is known of recipients: news is an operation for the writer, the rest are reads.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::recipient::{Heard, Listed, News, Recipient, Recipients, SuppressionFilter};

use super::SqliteStore;
use super::ops::recipient::HearOp;
use super::read::recipient;

#[async_trait]
impl Recipients for SqliteStore {
    async fn recipient(
        &self,
        account: &AccountName,
        openid: &str,
    ) -> Result<Recipient, StoreError> {
        let (account, openid) = (account.clone(), openid.to_owned());
        self.read("recipient", move |reader| {
            recipient::one(reader, &account, &openid)
        })
        .await
    }

    async fn hear(
        &self,
        account: &AccountName,
        openid: &str,
        news: Vec<News>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Heard, AcceptError> {
        self.ask(HearOp {
            account: account.clone(),
            openid: openid.to_owned(),
            news,
            nonce,
            now,
        })
        .await?
    }

    async fn suppressions(
        &self,
        filter: SuppressionFilter,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Listed>, StoreError> {
        self.read("suppressions", move |reader| {
            recipient::suppressions(reader, &filter, limit, now)
        })
        .await
    }

    async fn to_confirm(
        &self,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        self.read("to_confirm", move |reader| {
            recipient::to_confirm(reader, limit, now)
        })
        .await
    }
}
