//! The token cache of a single node: a map. It is an adapter like any other and passes the same suite.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::message::AccountName;
use crate::port::{CacheError, Fence, Token, TokenCache};
use crate::time::UnixMs;

/// Tokens shared by the tasks of one process.
#[derive(Debug, Default)]
pub struct MemoryTokenCache {
    entries: Mutex<HashMap<AccountName, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    token: Option<Token>,
    put_by: Fence,
    last_fence: u64,
    held: Option<(Fence, UnixMs)>,
}

impl MemoryTokenCache {
    fn entries(&self) -> MutexGuard<'_, HashMap<AccountName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TokenCache for MemoryTokenCache {
    async fn get(&self, account: &AccountName) -> Result<Option<Token>, CacheError> {
        Ok(self
            .entries()
            .get(account)
            .and_then(|entry| entry.token.clone()))
    }

    async fn put(
        &self,
        account: &AccountName,
        token: Token,
        fence: Fence,
    ) -> Result<bool, CacheError> {
        let mut entries = self.entries();
        let entry = entries.entry(account.clone()).or_default();
        if fence < entry.put_by {
            return Ok(false);
        }
        entry.put_by = fence;
        entry.token = Some(token);
        Ok(true)
    }

    async fn lock(
        &self,
        account: &AccountName,
        for_at_most: Duration,
        now: UnixMs,
    ) -> Result<Option<Fence>, CacheError> {
        let mut entries = self.entries();
        let entry = entries.entry(account.clone()).or_default();
        if entry.held.is_some_and(|(_, until)| now < until) {
            return Ok(None);
        }
        entry.last_fence += 1;
        let fence = Fence(entry.last_fence);
        entry.held = Some((fence, now.plus(for_at_most)));
        Ok(Some(fence))
    }

    async fn unlock(&self, account: &AccountName, fence: Fence) -> Result<(), CacheError> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(account)
            && entry.held.is_some_and(|(held, _)| held == fence)
        {
            entry.held = None;
        }
        Ok(())
    }
}
