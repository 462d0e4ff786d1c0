//! How fast accounts may send, all nodes together. Asked only for an account whose rate is limited.
//! What is kept here may be lost: an account then sends a moment's worth too much.

use async_trait::async_trait;

use crate::message::AccountName;
use crate::rate::PerSecond;
use crate::time::UnixMs;

/// What a limiter allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// So many calls may begin.
    pub calls: usize,
    /// When to ask for the rest.
    pub again_at: UnixMs,
}

/// Who sends how fast.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes the permission for at most `wanted` calls of an account that may make `rate` calls a second.
    async fn take(
        &self,
        account: &AccountName,
        rate: PerSecond,
        wanted: usize,
        now: UnixMs,
    ) -> Grant;
    /// Gives back what was taken for calls that were not made.
    async fn give_back(&self, account: &AccountName, unused: usize);
}
