//! How fast an account sends: never faster than its ceiling, half as fast after WeChat was overtaxed, and a little faster
//! again with each second that goes well. Pure.

mod bucket;

use std::time::Duration;

pub use bucket::MemoryLimiter;

use crate::time::UnixMs;

/// So many calls a second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct PerSecond(pub f64);

/// A rate is never made smaller than this, unless its ceiling is.
const LEAST: f64 = 1.0;
/// What was lost by slowing down once comes back in this time.
const RECOVERY: Duration = Duration::from_secs(30);
/// WeChat says "busy" now and then without being overtaxed: only so many of such answers in two seconds, and more than
/// this share of all, slow an account down. Else one in twenty would bring it to a crawl.
const BUSY_LEAST: u32 = 10;
const BUSY_SHARE: f64 = 0.1;
/// However long nothing was sent, at most so much of the recovery counts at once.
const STEP_MAX: Duration = Duration::from_secs(2);
/// WeChat counts in its own stretches of time, so that little of what it allows is left alone.
const OF_WHAT_WECHAT_ALLOWS: f64 = 0.95;

/// One account's pace.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    configured: Option<f64>,
    told: Option<f64>,
    /// Set while it is slower than it might be.
    slowed: Option<Slowed>,
    /// Calls of the second before, and of this one: what a rate without a ceiling is measured by.
    second: i64,
    counts: [u32; 2],
    /// Those of them that WeChat was too busy for.
    busy: [u32; 2],
}

#[derive(Clone, Copy, Debug)]
struct Slowed {
    rate: f64,
    /// How fast it was when it was overtaxed.
    before: f64,
    /// Calls begun before say nothing about the rate since.
    since: UnixMs,
    grown_at: UnixMs,
}

impl Pace {
    /// The most that an operator wants, in calls a second.
    pub fn configure(&mut self, ceiling: Option<PerSecond>) {
        self.configured = ceiling.map(|rate| rate.0);
    }

    /// What WeChat says it allows: so many calls in a time. None if it says nothing.
    pub fn told(&mut self, allowed: Option<(u64, Duration)>) {
        self.told = allowed
            .filter(|(_, time)| !time.is_zero())
            .map(|(calls, time)| {
                #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
                let calls = calls as f64;
                OF_WHAT_WECHAT_ALLOWS * calls / time.as_secs_f64()
            });
    }

    fn ceiling(&self) -> Option<f64> {
        match (self.configured, self.told) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The rate in force; none if nothing limits it.
    #[must_use]
    pub fn limit(&self) -> Option<PerSecond> {
        let slowed = self.slowed.map(|slowed| slowed.rate);
        let limit = match (slowed, self.ceiling()) {
            (Some(rate), Some(ceiling)) => Some(rate.min(ceiling)),
            (rate, ceiling) => rate.or(ceiling),
        };
        limit.map(PerSecond)
    }

    /// A call ended at `now`, well or not.
    pub fn called(&mut self, now: UnixMs) {
        let second = now.0.div_euclid(1_000);
        match second - self.second {
            0 => {}
            1 => {
                self.counts = [self.counts[1], 0];
                self.busy = [self.busy[1], 0];
            }
            _ => (self.counts, self.busy) = ([0, 0], [0, 0]),
        }
        self.second = second;
        self.counts[1] = self.counts[1].saturating_add(1);
    }

    /// WeChat was too busy for a call begun at `began`, which [`called`](Self::called) has counted.
    pub fn busy(&mut self, began: UnixMs, now: UnixMs) {
        self.busy[1] = self.busy[1].saturating_add(1);
        let [busy, all] =
            [self.busy, self.counts].map(|[before, this]| before.saturating_add(this));
        if busy >= BUSY_LEAST && f64::from(busy) > BUSY_SHARE * f64::from(all) {
            self.overtaxed(began, now);
        }
    }

    /// WeChat was overtaxed by a call begun at `began`. Many such calls may have been under way: they count once.
    pub fn overtaxed(&mut self, began: UnixMs, now: UnixMs) {
        if self.slowed.is_some_and(|slowed| began < slowed.since) {
            return;
        }
        let measured = f64::from(self.counts[0].max(self.counts[1]));
        let before = self.limit().map_or(measured, |limit| limit.0);
        let least = self.ceiling().unwrap_or(LEAST).min(LEAST);
        self.slowed = Some(Slowed {
            rate: (before / 2.0).max(least),
            before,
            since: now,
            grown_at: now,
        });
    }

    /// A call went well.
    pub fn well(&mut self, now: UnixMs) {
        let ceiling = self.ceiling();
        let Some(slowed) = &mut self.slowed else {
            return;
        };
        let passed = now.since(slowed.grown_at);
        if passed < Duration::from_secs(1) {
            return;
        }
        let passed = passed.min(STEP_MAX).as_secs_f64();
        let step = slowed.before / 2.0 / RECOVERY.as_secs_f64();
        slowed.rate += step.max(LEAST) * passed;
        slowed.grown_at = now;
        // Without a ceiling it is let go once it was twice as fast as when it was overtaxed.
        let end = ceiling.unwrap_or(slowed.before.max(LEAST) * 2.0);
        if slowed.rate >= end {
            self.slowed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMs {
        UnixMs(1_000_000).plus(Duration::from_secs(seconds))
    }

    fn limit(pace: &Pace) -> Option<f64> {
        pace.limit().map(|limit| limit.0)
    }

    #[test]
    fn nothing_limits_an_account_of_which_nothing_is_known() {
        let mut pace = Pace::default();
        pace.called(at(0));
        pace.well(at(0));
        assert_eq!(pace.limit(), None);
    }

    #[test]
    fn the_lower_of_what_wechat_allows_and_an_operator_wants_holds() {
        let mut pace = Pace::default();
        pace.told(Some((600, Duration::from_secs(60))));
        assert_eq!(limit(&pace), Some(9.5), "a little is left alone");
        pace.configure(Some(PerSecond(5.0)));
        assert_eq!(limit(&pace), Some(5.0));
        pace.told(None);
        assert_eq!(limit(&pace), Some(5.0));
        pace.told(Some((600, Duration::ZERO)));
        assert_eq!(limit(&pace), Some(5.0), "nonsense is no limit");
    }

    #[test]
    fn it_halves_once_for_calls_that_were_under_way_together_and_comes_back() {
        let mut pace = Pace::default();
        pace.configure(Some(PerSecond(100.0)));
        for _ in 0..64 {
            pace.overtaxed(at(0), at(1));
        }
        assert_eq!(limit(&pace), Some(50.0));
        pace.overtaxed(at(2), at(3));
        assert_eq!(limit(&pace), Some(25.0));
        for second in 4..100 {
            pace.well(at(second));
        }
        assert_eq!(limit(&pace), Some(100.0));
        assert!(pace.slowed.is_none());
    }

    #[test]
    fn a_pause_without_a_call_brings_little_back() {
        let mut pace = Pace::default();
        pace.configure(Some(PerSecond(120.0)));
        pace.overtaxed(at(0), at(1));
        assert_eq!(limit(&pace), Some(60.0));
        pace.well(at(600));
        assert_eq!(limit(&pace), Some(64.0), "two seconds' worth");
    }

    #[test]
    fn a_rate_without_a_ceiling_is_measured_and_let_go_again() {
        let mut pace = Pace::default();
        for _ in 0..200 {
            pace.called(at(0));
        }
        pace.overtaxed(at(0), at(1));
        assert_eq!(limit(&pace), Some(100.0));
        pace.well(at(2));
        let grown = limit(&pace).unwrap();
        assert!(
            grown > 100.0 && grown < 110.0,
            "{grown}: a little at a time"
        );
        for second in 3..120 {
            pace.well(at(second));
        }
        assert_eq!(pace.limit(), None);
    }

    #[test]
    fn a_busy_answer_now_and_then_slows_nothing() {
        let mut pace = Pace::default();
        let mut answers = |second: u64, busy: usize| {
            for n in 0..100 {
                pace.called(at(second));
                if n < busy {
                    pace.busy(at(second - 1), at(second));
                }
            }
            limit(&pace)
        };
        assert_eq!((1..3).map(|n| answers(n, 2)).next_back(), Some(None));
        assert!((3..60).all(|second| answers(second, 5).is_none()));
        assert_eq!(answers(60, 40), Some(50.0));
    }

    #[test]
    fn it_never_comes_to_a_stop() {
        let mut pace = Pace::default();
        for second in 0..100 {
            pace.overtaxed(at(second), at(second));
        }
        assert_eq!(limit(&pace), Some(1.0));
        pace.configure(Some(PerSecond(0.5)));
        assert_eq!(limit(&pace), Some(0.5));
    }
}
