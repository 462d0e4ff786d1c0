//! The simulator's time: the machine's clock plus a shift, or a frozen instant that moves only when told to.
//! It knows nothing of what is timed by it; the world takes its readings as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A settable clock in Unix milliseconds; clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<State>);

#[derive(Debug)]
struct State {
    frozen: AtomicBool,
    /// Frozen: the reading itself. Running: what is added to the machine's clock.
    millis: AtomicI64,
}

impl SimClock {
    pub fn running() -> Self {
        Self::with(false, 0)
    }

    pub fn frozen_at(unix_ms: i64) -> Self {
        Self::with(true, unix_ms)
    }

    fn with(frozen: bool, millis: i64) -> Self {
        Self(Arc::new(State {
            frozen: AtomicBool::new(frozen),
            millis: AtomicI64::new(millis),
        }))
    }

    pub fn now_ms(&self) -> i64 {
        let millis = self.0.millis.load(Ordering::Acquire);
        if self.is_frozen() {
            millis
        } else {
            machine_ms().saturating_add(millis)
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.0.frozen.load(Ordering::Acquire)
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.0.millis.fetch_add(by, Ordering::AcqRel);
    }

    pub fn set_ms(&self, unix_ms: i64) {
        let millis = if self.is_frozen() {
            unix_ms
        } else {
            unix_ms.saturating_sub(machine_ms())
        };
        self.0.millis.store(millis, Ordering::Release);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator's one look at the machine's clock"
)]
fn machine_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = SimClock::frozen_at(1_000);
        clock.clone().advance(Duration::from_secs(2));
        assert_eq!(clock.now_ms(), 3_000);
        clock.set_ms(5);
        assert_eq!(clock.now_ms(), 5);
    }

    #[test]
    fn a_running_clock_goes_on_from_where_it_was_set() {
        let clock = SimClock::running();
        clock.set_ms(1_000_000);
        clock.advance(Duration::from_secs(1));
        let now_ms = clock.now_ms();
        assert!((1_001_000..1_061_000).contains(&now_ms), "{now_ms}");
    }
}
