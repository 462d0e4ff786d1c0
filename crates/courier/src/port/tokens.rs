//! The token that all nodes of a fleet share, and the permission to fetch it.
//! A cache may lose what it holds: then the token is fetched again.

use std::time::Duration;

use async_trait::async_trait;
use hongyan_wechat::AccessToken;

use crate::message::AccountName;
use crate::time::UnixMs;

/// An access_token with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub secret: AccessToken,
    /// When WeChat said it ends.
    pub expires_at: UnixMs,
    /// When it was fetched.
    pub fetched_at: UnixMs,
}

/// Permission to fetch a token, until it runs out; `put` carries it so that a late holder overwrites nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// The shared cache is away.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the shared token cache is unavailable: {0}")]
pub struct CacheError(pub String);

/// The token that all nodes share.
#[async_trait]
pub trait TokenCache: Send + Sync {
    /// The token of an account, if there is one.
    async fn get(&self, account: &AccountName) -> Result<Option<Token>, CacheError>;
    /// Stores a token, unless a later holder of the lock did. Answers whether it was stored.
    async fn put(
        &self,
        account: &AccountName,
        token: Token,
        fence: Fence,
    ) -> Result<bool, CacheError>;
    /// The permission to fetch, if nobody has it.
    async fn lock(
        &self,
        account: &AccountName,
        for_at_most: Duration,
        now: UnixMs,
    ) -> Result<Option<Fence>, CacheError>;
    /// Gives the permission back.
    async fn unlock(&self, account: &AccountName, fence: Fence) -> Result<(), CacheError>;
}
