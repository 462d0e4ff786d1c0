//! What the tokens of the compatible door hang on, across restarts and nodes: a key, and which of them were revoked.

use async_trait::async_trait;

use super::{AcceptError, Nonce, StoreError};
use crate::message::AccountName;
use crate::time::UnixMs;

/// A client's virtual tokens for one account are no good if they were issued before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The client's id.
    pub client: String,
    /// The account that they are for.
    pub account: AccountName,
    /// By the wall's clock.
    pub issued_before: UnixMs,
}

/// The key of virtual tokens, and their revocations.
#[async_trait]
pub trait VirtualTokens: Send + Sync {
    /// The store's own secret. It is the `new` one of the very first call for good.
    async fn key(&self, new: [u8; 32]) -> Result<[u8; 32], StoreError>;
    /// All that are in force, in no order.
    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError>;
    /// Revokes; durable when answered. Of two for one client and account the later moment stands.
    async fn revoke(
        &self,
        which: Vec<Revocation>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<(), AcceptError>;
}
