//! Counting on between two of WeChat's words: what was sent of a kind since, and how fast. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::calendar::runs_out_at;
use super::record::Told;
use crate::time::UnixMs;

/// The pace is that of so long a time.
const PACE_WINDOW: Duration = Duration::from_secs(3_600);
/// Over less than this it would tell of a burst, and not of a pace.
const PACE_OVER_MIN: Duration = Duration::from_secs(15 * 60);

/// So many calls in a time.
pub(super) type CallsIn = (u64, Duration);

/// What is known of today.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Today {
    /// Calls allowed.
    pub limit: u64,
    /// Calls made.
    pub used: u64,
    /// Calls left.
    pub remaining: u64,
    /// When WeChat said so.
    pub told_at: UnixMs,
    /// Calls an hour, lately.
    pub per_hour: u64,
    /// When it runs out at that pace; none if that is not today.
    pub runs_out_at: Option<UnixMs>,
}

/// What is counted of one kind.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// What the lane had sent of it when WeChat was asked.
    base: u64,
    /// How many were used when, oldest first.
    samples: VecDeque<(UnixMs, u64)>,
    rate: Option<CallsIn>,
}

impl Count {
    /// Counts what is sent from now on.
    pub(super) fn since(taken: u64) -> Self {
        Self {
            base: taken,
            ..Self::default()
        }
    }

    /// WeChat was asked when the lane had sent so many. Of another day than before, the pace begins anew.
    pub(super) fn told(&mut self, told: Told, rate: Option<CallsIn>, base: u64) {
        (self.rate, self.base) = (rate, base);
        let used = told.used;
        let before = self.samples.back();
        if before.is_some_and(|(_, before)| used < *before) {
            self.samples.clear();
        }
        self.samples.push_back((told.at, used));
        let old = told.at.minus(PACE_WINDOW);
        while self.samples.len() > 2 && self.samples[1].0 <= old {
            self.samples.pop_front();
        }
    }

    /// How fast WeChat lets it be sent, if it said so.
    pub(super) fn rate(&self) -> Option<CallsIn> {
        self.rate
    }

    pub(super) fn sent_since(&self, taken: u64) -> u64 {
        taken.saturating_sub(self.base)
    }

    pub(super) fn today(&self, told: Told, taken: u64, now: UnixMs) -> Today {
        let since = self.sent_since(taken);
        let used = told.used.saturating_add(since);
        let remaining = told.remaining.saturating_sub(since);
        let per_hour = self.per_hour(used, now);
        Today {
            limit: told.limit,
            used,
            remaining,
            told_at: told.at,
            per_hour,
            runs_out_at: runs_out_at(remaining, per_hour, now),
        }
    }

    fn per_hour(&self, used: u64, now: UnixMs) -> u64 {
        let Some((since, before)) = self.samples.front() else {
            return 0;
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let sent = used.saturating_sub(*before);
        let passed = now.since(*since).max(PACE_OVER_MIN);
        sent.saturating_mul(millis(PACE_WINDOW)) / millis(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn at(seconds: u64) -> UnixMs {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_burst_after_a_start_is_not_the_pace_of_the_day() {
        let told = Told {
            limit: 1_000_000,
            used: 0,
            remaining: 1_000_000,
            at: NOW,
        };
        let mut count = Count::since(0);
        count.told(told, None, 0);
        let pace = |taken, seconds| count.today(told, taken, at(seconds)).per_hour;
        assert_eq!(
            pace(30_000, 30),
            120_000,
            "as if nothing more came for a quarter"
        );
        assert_eq!(pace(30_000, 900), 120_000);
        assert_eq!(pace(30_000, 1_800), 60_000);
        assert_eq!(pace(30_000, 3_600), 30_000);
    }
}
