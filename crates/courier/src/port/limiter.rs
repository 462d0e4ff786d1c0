//! How fast accounts may send and callers may ask, all nodes together. Asked only where there is a limit.
//! What is kept here may be lost: an account then sends a moment's worth too much.

use std::time::Duration;

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

/// How much somebody may ask for: so much at once, and from then on so much a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// At once; at least one.
    pub burst: u32,
    /// From then on; above zero.
    pub per_second: f64,
}

/// What is said to somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may be; else nothing was taken.
    pub allowed: bool,
    /// So much is left at once.
    pub left: u32,
    /// When to ask again, if it may not be; else when more than now will be left, if nothing is.
    pub wait: Duration,
    /// When all of it is left again.
    pub full_after: Duration,
}

/// How much callers may ask of this gateway, all nodes together. What is kept here may be lost: somebody then gets a
/// burst too much. It never fails: who cannot be counted is let through.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes `count`, at most a whole burst of it, for somebody under a rule. A pair that is not known yet has a whole burst.
    async fn take(
        &self,
        rule: &'static str,
        who: &str,
        allowance: Allowance,
        count: u32,
    ) -> Verdict;
}
