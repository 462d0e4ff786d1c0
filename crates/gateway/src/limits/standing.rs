//! Where somebody stands with a limit, as the headers `RateLimit-*` say it.
//! It must not know whose limit it is.

use std::time::Duration;

use hongyan_courier::port::limiter::{Allowance, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where somebody stands with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// So much is allowed at once.
    pub burst: u32,
    /// So much of it is left.
    pub left: u32,
    /// When all of it is left again.
    pub full_after: Duration,
    /// How long an empty allowance takes to fill.
    pub window: Duration,
}

impl Standing {
    pub fn new(allowance: Allowance, verdict: Verdict) -> Self {
        Self {
            burst: allowance.burst,
            left: verdict.left,
            full_after: verdict.full_after,
            window: Duration::from_secs_f64(f64::from(allowance.burst) / allowance.per_second),
        }
    }

    /// Writes it into an answer.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.burst.into());
        headers.insert(REMAINING, self.left.into());
        headers.insert(RESET, whole_seconds(self.full_after).into());
        let policy = format!("{};w={}", self.burst, whole_seconds(self.window).max(1));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(POLICY, policy);
        }
    }
}

/// Rounded up: to come back a moment early would be in vain.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
