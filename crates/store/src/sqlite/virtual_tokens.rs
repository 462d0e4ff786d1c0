//! The key of virtual tokens, and which were revoked.

use async_trait::async_trait;
use hongyan_courier::UnixMs;
use hongyan_courier::port::{AcceptError, Nonce, Revocation, StoreError, VirtualTokens};

use super::SqliteStore;
use super::ops::virtual_tokens::{RevokeOp, TokenKeyOp};

#[async_trait]
impl VirtualTokens for SqliteStore {
    async fn key(&self, new: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.ask(TokenKeyOp { new }).await
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        self.read("virtual_token_revocations", |reader| {
            let sql = "SELECT client, name, issued_before FROM virtual_token_revocations \
                JOIN accounts ON accounts.id = account";
            let mut find = reader.conn.prepare(sql)?;
            let found = find.query_map([], |row| {
                Ok(Revocation {
                    client: row.get(0)?,
                    account: row.get::<_, String>(1)?.as_str().into(),
                    issued_before: UnixMs(row.get(2)?),
                })
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn revoke(
        &self,
        which: Vec<Revocation>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(), AcceptError> {
        self.ask(RevokeOp { which, nonce, now }).await?
    }
}
