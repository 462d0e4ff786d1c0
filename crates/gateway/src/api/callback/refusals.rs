//! How often refused pushes are told of in the log: anybody can cause one, and nobody is to fill the disk with them.
//! It must not know why a push was refused.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hongyan_courier::time::UnixMs;

const APART: Duration = Duration::from_secs(60);

/// The refusals of one account.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    untold: AtomicU64,
    tell_at: AtomicI64,
}

impl Refusals {
    /// Counts one. Answers how many there were since they were told of last, if it is time to tell again.
    pub(super) fn to_tell(&self, now: UnixMs) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let again = now.plus(APART).0;
        // Of two at once one tells.
        self.tell_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| {
                (at <= now.0).then_some(again)
            })
            .ok()
            .map(|_| self.untold.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_rest_once_a_minute() {
        let (refusals, start) = (Refusals::default(), UnixMs(1_767_225_600_000));
        assert_eq!(refusals.to_tell(start), Some(1));
        for second in 1..60 {
            let now = start.plus(Duration::from_secs(second));
            assert_eq!(refusals.to_tell(now), None, "{second}");
        }
        assert_eq!(refusals.to_tell(start.plus(APART)), Some(60));
        assert_eq!(refusals.to_tell(start.plus(APART)), None);
    }
}
