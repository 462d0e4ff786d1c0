//! Messages that ended badly: counted over an index of their own, and sent again many at a time.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::delivery::LeftAlone;
use hongyan_courier::port::{Again, DeadLetterOffice, DeadLetters, Moved, StoreError};

use super::SqliteStore;
use super::ops::change::RetryAllOp;
use super::read::dead_letters;

#[async_trait]
impl DeadLetterOffice for SqliteStore {
    async fn dead_letters(&self, since: UnixMs) -> Result<Vec<DeadLetters>, StoreError> {
        self.read("dead_letters", move |reader| {
            dead_letters::counted(reader, since)
        })
        .await
    }

    async fn retry_all(
        &self,
        again: Again,
        now: UnixMs,
    ) -> Result<Vec<Result<Moved, LeftAlone>>, StoreError> {
        self.ask(RetryAllOp { again, now }).await
    }
}
