//! Which host a call begins with: the first, unless that was away a moment ago.
//! Without this memory every call would wait anew for a host that swallows connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long calls begin with the host that worked; then one call tries the preferred host again.
const DIVERSION: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Preference {
    /// Keeps the lock out of the way of calls while all is well.
    diverted: AtomicBool,
    diversion: Mutex<Option<Diversion>>,
}

#[derive(Clone, Copy)]
struct Diversion {
    host: usize,
    until: Instant,
}

impl Preference {
    /// The place of the host to begin with.
    pub(super) fn first(&self, now: Instant) -> usize {
        if !self.diverted.load(Ordering::Relaxed) {
            return 0;
        }
        match &mut *self.lock() {
            None => 0,
            Some(diversion) if now < diversion.until => diversion.host,
            // This call tries the preferred host; the others stay where they are meanwhile.
            Some(diversion) => {
                diversion.until = now + DIVERSION;
                0
            }
        }
    }

    /// Notes that a call which began with the host at `first` reached the one at `host`.
    pub(super) fn reached(&self, first: usize, host: usize, now: Instant) {
        if host == first && (host != 0 || !self.diverted.load(Ordering::Relaxed)) {
            return;
        }
        *self.lock() = (host != 0).then(|| Diversion {
            host,
            until: now + DIVERSION,
        });
        self.diverted.store(host != 0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Diversion>> {
        self.diversion
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stay_with_the_host_that_worked_and_one_at_a_time_tries_the_first_again() {
        let (preference, start) = (Preference::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(preference.first(start), 0);
        preference.reached(0, 0, start);
        assert_eq!(preference.first(start), 0);

        preference.reached(0, 1, start);
        assert_eq!(preference.first(after(29)), 1);
        preference.reached(1, 1, after(29));
        assert_eq!(
            [preference.first(after(30)), preference.first(after(30))],
            [0, 1]
        );

        preference.reached(0, 1, after(33));
        assert_eq!(preference.first(after(62)), 1);
        assert_eq!(preference.first(after(63)), 0);
        preference.reached(0, 0, after(63));
        assert_eq!(preference.first(after(63)), 0);
    }

    #[test]
    fn a_second_host_that_goes_away_gives_way_to_a_third() {
        let (preference, now) = (Preference::default(), Instant::now());
        preference.reached(0, 1, now);
        preference.reached(1, 2, now);
        assert_eq!(preference.first(now), 2);
        preference.reached(2, 0, now);
        assert_eq!(preference.first(now), 0);
    }
}
