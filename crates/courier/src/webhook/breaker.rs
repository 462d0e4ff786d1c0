//! One webhook's circuit breaker: after failures in a row it is asked by one event at a time, with growing pauses, so that
//! an outage costs its events few of their tries. Pure state.

use std::time::Duration;

use crate::time::UnixMs;

/// After so many failures in a row nothing goes out but probes.
const FAILURES_TO_OPEN: u32 = 5;
/// The first and the longest pause before a probe.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// What one webhook's answers come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Since when it has taken none.
    failing_since: Option<UnixMs>,
    /// Set while it is open: when the next probe may go, and the pause that led there.
    open: Option<(UnixMs, Duration)>,
    paused_until: UnixMs,
}

impl Breaker {
    /// How many posts may be under way now, of `usual`.
    pub(super) fn room(&self, usual: usize, now: UnixMs) -> usize {
        match self.open {
            _ if now < self.paused_until => 0,
            Some((probe_at, _)) => usize::from(now >= probe_at),
            None => usual,
        }
    }

    /// It took one. Answers whether that closed it.
    pub(super) fn well(&mut self) -> bool {
        std::mem::take(self).open.is_some()
    }

    /// It did not. What was under way when it opened says nothing new. Answers whether that opened it.
    pub(super) fn failed(&mut self, now: UnixMs) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let opens = self.open.is_none();
        let pause = match self.open {
            Some((probe_at, _)) if now < probe_at => return false,
            Some((_, pause)) => (pause * 2).min(PAUSE.1),
            None if self.failures < FAILURES_TO_OPEN => return false,
            None => PAUSE.0,
        };
        self.open = Some((now.plus(pause), pause));
        opens
    }

    /// It asks to be left alone until then.
    pub(super) fn pause(&mut self, until: UnixMs) {
        self.paused_until = self.paused_until.max(until);
    }

    /// Since when it has taken none; none while it is well.
    pub(super) fn failing_since(&self) -> Option<UnixMs> {
        self.failing_since
    }

    /// Whether only probes go out, and when the next may.
    pub(super) fn is_open(&self) -> Option<UnixMs> {
        self.open.map(|(probe_at, _)| probe_at)
    }
}
