//! Time as a value. The domain is told what time it is; it never looks.
//! Durations that matter to the promise count suspension too, which is the adapter's business.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The moment `later` after this one.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The moment `earlier` before this one.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The first moment of the next day in Beijing (UTC+8, no daylight saving), when WeChat's daily quotas are renewed.
    #[must_use]
    pub fn next_beijing_midnight(self) -> Self {
        const DAY: i64 = 86_400_000;
        const OFFSET: i64 = 8 * 3_600_000;
        Self(((self.0 + OFFSET).div_euclid(DAY) + 1) * DAY - OFFSET)
    }

    /// The first moment of the next minute, when WeChat's minute quotas are renewed.
    #[must_use]
    pub fn next_minute(self) -> Self {
        const MINUTE: i64 = 60_000;
        Self((self.0.div_euclid(MINUTE) + 1) * MINUTE)
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where the time comes from. An implementation never runs backwards and counts suspension.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> UnixMs;

    /// The time as the machine shows it, which may run backwards: for what others measure by their own clocks, such as the
    /// age of a signature.
    fn wall(&self) -> UnixMs {
        self.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_changes_at_midnight_in_beijing() {
        // 2026-11-23T15:59:59.999Z is a millisecond before midnight in Beijing.
        let before = UnixMs(1_795_449_599_999);
        assert_eq!(before.next_beijing_midnight(), UnixMs(1_795_449_600_000));
        assert_eq!(
            UnixMs(1_795_449_600_000).next_beijing_midnight(),
            UnixMs(1_795_536_000_000)
        );
    }
}
