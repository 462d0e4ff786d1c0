//! The rate limiter of one process, by the crate `governor`: a leaky bucket for each rule and each somebody.
//! It must not know what the rules are.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter as Bucket};
use hongyan_courier::port::limiter::{Allowance, RateLimiter, Verdict};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;

/// About 20 MB when full; beyond it those who asked longest ago are forgotten.
const KNOWN_MAX: u64 = 100_000;
/// Whoever has not asked for so long has a whole burst again, by the slowest rule that a configuration may have.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Time since the gateway started, which tests can stop.
#[derive(Debug, Clone)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Level = Bucket<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>;

/// Somebody's bucket, and how large it is: another configuration may have come since.
struct Known {
    allowance: Allowance,
    level: Level,
}

/// Who may ask for how much, as this process knows it.
pub struct GovernorLimiter {
    known: Cache<(&'static str, Box<str>), Arc<Known>>,
    clock: Ticks,
}

impl Default for GovernorLimiter {
    fn default() -> Self {
        let known = Cache::builder()
            .max_capacity(KNOWN_MAX)
            .time_to_idle(FORGOTTEN)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self {
            known,
            clock: Ticks(Instant::now()),
        }
    }
}

impl GovernorLimiter {
    fn bucket(&self, rule: &'static str, who: &str, allowance: Allowance) -> Arc<Known> {
        let fresh = || {
            Arc::new(Known {
                allowance,
                level: Bucket::direct_with_clock(quota(allowance), self.clock.clone())
                    .with_middleware::<StateInformationMiddleware>(),
            })
        };
        let entry = self.known.entry((rule, who.into()));
        let is_other = |known: &Arc<Known>| known.allowance != allowance;
        entry.or_insert_with_if(fresh, is_other).into_value()
    }
}

fn quota(allowance: Allowance) -> Quota {
    let burst = NonZeroU32::new(allowance.burst).unwrap_or(NonZeroU32::MIN);
    // A configuration has no slower and no faster one.
    let period = Duration::from_secs_f64(1.0 / allowance.per_second.clamp(0.001, 1e6));
    Quota::with_period(period)
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(burst)
}

#[async_trait]
impl RateLimiter for GovernorLimiter {
    async fn take(
        &self,
        rule: &'static str,
        who: &str,
        allowance: Allowance,
        count: u32,
    ) -> Verdict {
        let known = self.bucket(rule, who, allowance);
        let quota = quota(allowance);
        let burst = quota.burst_size();
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN).min(burst);
        let period = quota.replenish_interval();
        match known.level.check_n(count) {
            Ok(Ok(state)) => {
                let left = state.remaining_burst_capacity();
                Verdict {
                    allowed: true,
                    left,
                    wait: if left == 0 { period } else { Duration::ZERO },
                    full_after: period * (burst.get() - left.min(burst.get())),
                }
            }
            Ok(Err(not_until)) => Verdict {
                allowed: false,
                left: 0,
                wait: not_until.wait_time_from(self.clock.now()),
                full_after: period * burst.get(),
            },
            // No count is larger than the burst.
            Err(_) => Verdict {
                allowed: false,
                left: 0,
                wait: period * burst.get(),
                full_after: period * burst.get(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Allowance = Allowance {
        burst: 3,
        per_second: 2.0,
    };

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let limiter = GovernorLimiter::default();
        for left in [2, 1, 0] {
            let verdict = limiter.take("ip", "a", SLOW, 1).await;
            assert_eq!((verdict.allowed, verdict.left), (true, left));
        }
        let refused = limiter.take("ip", "a", SLOW, 1).await;
        assert!(!refused.allowed, "{refused:?}");
        assert_eq!(refused.wait, Duration::from_millis(500));
        tokio::time::advance(refused.wait - Duration::from_millis(1)).await;
        assert!(!limiter.take("ip", "a", SLOW, 1).await.allowed);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(limiter.take("ip", "a", SLOW, 1).await.allowed);
        assert!(!limiter.take("ip", "a", SLOW, 1).await.allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn each_rule_and_each_somebody_has_a_bucket() {
        let limiter = GovernorLimiter::default();
        assert!(limiter.take("ip", "a", SLOW, 3).await.allowed);
        assert!(!limiter.take("ip", "a", SLOW, 1).await.allowed);
        assert!(limiter.take("ip", "b", SLOW, 3).await.allowed);
        assert!(limiter.take("client", "a", SLOW, 3).await.allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_a_burst_costs_a_burst() {
        let limiter = GovernorLimiter::default();
        let verdict = limiter.take("account", "a", SLOW, 1_000).await;
        assert_eq!((verdict.allowed, verdict.left), (true, 0));
        assert_eq!(verdict.full_after, Duration::from_millis(1_500));
        assert!(!limiter.take("account", "a", SLOW, 1).await.allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_allowance_holds_at_once() {
        let limiter = GovernorLimiter::default();
        assert!(limiter.take("client", "a", SLOW, 3).await.allowed);
        let wide = Allowance { burst: 9, ..SLOW };
        assert_eq!(limiter.take("client", "a", wide, 1).await.left, 8);
    }
}
