//! The key of virtual tokens, and which were revoked.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::message::AccountName;
use crate::port::{AcceptError, Nonce, Revocation, StoreError, VirtualTokens};
use crate::time::UnixMs;

#[derive(Debug, Default)]
pub(super) struct Tokens {
    key: Option<[u8; 32]>,
    /// By client and account: those issued before are no good.
    revoked: BTreeMap<(String, AccountName), UnixMs>,
}

#[async_trait]
impl VirtualTokens for MemoryStore {
    async fn key(&self, new: [u8; 32]) -> Result<[u8; 32], StoreError> {
        Ok(*self.state().virtual_tokens.key.get_or_insert(new))
    }

    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError> {
        let state = self.state();
        let all = state.virtual_tokens.revoked.iter();
        let all = all.map(|((client, account), before)| Revocation {
            client: client.clone(),
            account: account.clone(),
            issued_before: *before,
        });
        Ok(all.collect())
    }

    async fn revoke(
        &self,
        which: Vec<Revocation>,
        nonce: Option<Nonce>,
        _: UnixMs,
    ) -> Result<(), AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        for one in which {
            let revoked = &mut state.virtual_tokens.revoked;
            let before = revoked
                .entry((one.client, one.account))
                .or_insert(one.issued_before);
            *before = one.issued_before.max(*before);
        }
        state.note(nonce.as_ref());
        Ok(())
    }
}
