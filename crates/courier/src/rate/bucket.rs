//! The limiter of one process: a bucket an account, filled at its rate. Written here rather than taken from a library
//! because the rate changes with every answer, and because what was not used is given back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::PerSecond;
use crate::message::AccountName;
use crate::port::limiter::{Grant, Limiter};
use crate::time::UnixMs;

/// A bucket holds what its rate brings in this time, and one call at the least: so much may go at once.
const BURST: Duration = Duration::from_millis(100);

/// Who may send how fast, as this process knows it.
#[derive(Debug, Default)]
pub struct MemoryLimiter {
    buckets: Mutex<HashMap<AccountName, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// How many calls may begin.
    level: f64,
    filled_at: UnixMs,
}

impl Bucket {
    fn fill(&mut self, rate: f64, now: UnixMs) {
        let passed = now.since(self.filled_at).as_secs_f64();
        let full = (rate * BURST.as_secs_f64()).max(1.0);
        self.level = (self.level + rate * passed).min(full);
        self.filled_at = self.filled_at.max(now);
    }

    fn take(&mut self, rate: f64, wanted: usize, now: UnixMs) -> Grant {
        self.fill(rate, now);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a level is small, and never below zero"
        )]
        let calls = wanted.min(self.level as usize);
        #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
        let taken = calls as f64;
        self.level -= taken;
        // Half a bucket at a time: to come back for each call would be a claim for each.
        let missing = ((rate * BURST.as_secs_f64() / 2.0).max(1.0) - self.level).max(0.0);
        Grant {
            calls,
            again_at: now.plus(Duration::from_secs_f64((missing / rate).min(60.0)) + ROUNDED_UP),
        }
    }
}

/// Times are kept in whole milliseconds; to come back a little early would be in vain.
const ROUNDED_UP: Duration = Duration::from_millis(1);

impl MemoryLimiter {
    fn buckets(&self) -> MutexGuard<'_, HashMap<AccountName, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn take(
        &self,
        account: &AccountName,
        PerSecond(rate): PerSecond,
        wanted: usize,
        now: UnixMs,
    ) -> Grant {
        let mut buckets = self.buckets();
        let bucket = buckets.entry(account.clone()).or_insert(Bucket {
            level: 1.0,
            filled_at: now,
        });
        bucket.take(rate.max(f64::MIN_POSITIVE), wanted, now)
    }

    async fn give_back(&self, account: &AccountName, unused: usize) {
        if let Some(bucket) = self.buckets().get_mut(account) {
            #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
            let unused = unused as f64;
            bucket.level += unused;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "clinic";

    async fn begun_in(rate: f64, wanted: usize, seconds: u64) -> usize {
        let limiter = MemoryLimiter::default();
        let (mut now, mut begun) = (UnixMs(0), 0);
        while now < UnixMs(0).plus(Duration::from_secs(seconds)) {
            let account = ACCOUNT.into();
            let grant = limiter.take(&account, PerSecond(rate), wanted, now).await;
            begun += grant.calls;
            now = grant.again_at;
        }
        begun
    }

    #[tokio::test]
    async fn as_many_begin_as_the_rate_allows() {
        for (rate, at_least, at_most) in [(0.5, 5, 6), (7.0, 66, 71), (200.0, 1_900, 2_020)] {
            let begun = begun_in(rate, 64, 10).await;
            assert!((at_least..=at_most).contains(&begun), "{rate}: {begun}");
        }
    }

    #[tokio::test]
    async fn what_was_not_used_is_there_again_and_accounts_do_not_meet() {
        let limiter = MemoryLimiter::default();
        let take = async |account: &str| {
            let account = account.into();
            let grant = limiter.take(&account, PerSecond(1.0), 10, UnixMs(0));
            grant.await.calls
        };
        assert_eq!((take("clinic").await, take("clinic").await), (1, 0));
        assert_eq!(take("school").await, 1);
        limiter.give_back(&"clinic".into(), 1).await;
        assert_eq!(take("clinic").await, 1);
    }
}
