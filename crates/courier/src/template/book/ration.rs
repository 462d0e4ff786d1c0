//! How many fetches of a list unknown ids may cause: whoever sends nonsense must not spend the account's quota.
//! Pure.

use std::time::Duration;

use crate::time::UnixMs;

/// Ids that are in no list cause so many fetches at once, and then one in each pause.
const UNKNOWN_BURST: u32 = 5;
const UNKNOWN_PAUSE: Duration = Duration::from_secs(60);

/// Fetches that unknown ids may cause, as a bucket that fills up with time.
#[derive(Debug)]
pub(super) struct Ration {
    left: u32,
    since: Option<UnixMs>,
}

impl Ration {
    pub(super) fn full() -> Self {
        Self {
            left: UNKNOWN_BURST,
            since: None,
        }
    }

    pub(super) fn take(&mut self, now: UnixMs) -> bool {
        while let Some(since) = self.since
            && self.left < UNKNOWN_BURST
            && now.since(since) >= UNKNOWN_PAUSE
        {
            self.left += 1;
            self.since = Some(since.plus(UNKNOWN_PAUSE));
        }
        if self.left == 0 {
            return false;
        }
        if self.left == UNKNOWN_BURST {
            self.since = Some(now);
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ids_cause_a_burst_and_then_one_fetch_a_minute() {
        let (mut ration, now) = (Ration::full(), UnixMs(1_000_000));
        let taken = (0..100).filter(|_| ration.take(now)).count();
        assert_eq!(taken, 5);
        let later = now.plus(Duration::from_secs(60));
        assert!(ration.take(later) && !ration.take(later));
        let rested = now.plus(Duration::from_secs(3_600));
        assert_eq!((0..100).filter(|_| ration.take(rested)).count(), 5);
    }
}
