//! Recipients that are forgotten, and those who left.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::{AcceptError, Nonce, StoreError};
use hongyan_courier::recipient::Following;
use hongyan_courier::recipient::forget::{Forgetting, Forgotten, Whom};
use rusqlite::params;

use super::SqliteStore;
use super::codes;
use super::ops::forget::ForgetOp;

#[async_trait]
impl Forgetting for SqliteStore {
    async fn forget(
        &self,
        whom: &Whom,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Forgotten, AcceptError> {
        let whom = whom.clone();
        self.ask(ForgetOp {
            whom,
            limit,
            nonce,
            now,
        })
        .await?
    }

    async fn departed(
        &self,
        left_before: UnixMs,
        limit: usize,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The number stands in the text, or the index of those who left would not be found.
        let sql = format!(
            "SELECT name, openid FROM recipients JOIN accounts ON accounts.id = account \
                WHERE state = {} AND since < ?1 ORDER BY since LIMIT ?2",
            codes::of_following(Following::Unsubscribed)
        );
        self.read("departed", move |reader| {
            let mut find = reader.conn.prepare_cached(&sql)?;
            let left = find.query_map(params![left_before.0, limit], |row| {
                Ok((row.get::<_, String>(0)?.as_str().into(), row.get(1)?))
            })?;
            Ok(left.collect::<Result<_, _>>()?)
        })
        .await
    }
}
