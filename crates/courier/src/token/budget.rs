//! How often a token may be fetched while WeChat rejects them: three times in the first minute, then once in ten. Where
//! calls are accepted in between, because somebody outside fetches too: three times at once, then once in a minute.
//! Pure, and persisted with the account's standing, so that a restart does not start over.

use std::time::Duration;

use crate::account::Trouble;
use crate::time::UnixMs;

/// Fetches in the first minute of trouble, and how long after its beginning each may go at the earliest.
const FIRST_MINUTE: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(20),
];
/// The pause between fetches after that.
const LATER: Duration = Duration::from_secs(600);
/// Each fetch because of a rejection uses up so much of the ration; so many may go at once. Together with renewals that
/// is less than the 2,000 a day which WeChat allows on the plain endpoint.
const REFETCH_APART: Duration = Duration::from_secs(60);
const REFETCHES_AT_ONCE: u32 = 3;
/// Forced refreshes that WeChat allows in a day, and the pause it wants between two.
const FORCED_A_DAY: usize = 20;
const FORCED_APART: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(86_400);

impl Trouble {
    /// Trouble that begins now, with a rejected token that was fetched at `fetched_at`.
    #[must_use]
    pub fn begin(rejected: String, fetched_at: UnixMs, now: UnixMs) -> Self {
        let recent = now.since(fetched_at) < Duration::from_secs(60);
        Self {
            since: now,
            fetches: if recent { vec![fetched_at] } else { Vec::new() },
            rejected,
            rejections: 1,
            again: false,
        }
    }

    /// The next token was rejected too, or the same one as it was handed out again.
    pub(super) fn go_on(&mut self, rejected: String) {
        self.again = self.rejected == rejected;
        self.rejected = rejected;
        self.rejections = self.rejections.saturating_add(1);
    }

    /// When the next fetch may go.
    #[must_use]
    pub fn next_fetch(&self) -> UnixMs {
        match FIRST_MINUTE.get(self.fetches.len()) {
            Some(after) => self.since.plus(*after),
            None => self
                .fetches
                .last()
                .map_or(self.since, |last| last.plus(LATER)),
        }
    }

    /// Whether a token that was fetched because of a rejection was itself rejected.
    #[must_use]
    pub fn is_serious(&self) -> bool {
        self.rejections > 1
    }

    pub(super) fn fetched(&mut self, now: UnixMs) {
        self.fetches.push(now);
        // The count decides until the first minute is over; after that only the last one does.
        if self.fetches.len() > FIRST_MINUTE.len() + 1 {
            self.fetches.remove(0);
        }
    }
}

/// When the next fetch because of a rejection may go, however often the trouble ended in between.
#[must_use]
pub(super) fn refetch_at(used_until: UnixMs) -> UnixMs {
    used_until.minus(REFETCH_APART * (REFETCHES_AT_ONCE - 1))
}

/// Uses up the ration of one such fetch.
pub(super) fn refetched(used_until: &mut UnixMs, now: UnixMs) {
    *used_until = (*used_until).max(now).plus(REFETCH_APART);
}

/// Whether WeChat would take another forced refresh now.
#[must_use]
pub(super) fn may_force(forced: &[UnixMs], now: UnixMs) -> bool {
    force_again_at(forced, now).is_none()
}

/// When WeChat would take another forced refresh; none where it would now.
#[must_use]
pub(super) fn force_again_at(forced: &[UnixMs], now: UnixMs) -> Option<UnixMs> {
    let apart = forced.last().map(|last| last.plus(FORCED_APART));
    // The day is free again when the oldest of the last twenty is a day old.
    let oldest = forced.len().checked_sub(FORCED_A_DAY);
    let day = oldest.and_then(|at| forced.get(at)).map(|at| at.plus(DAY));
    apart.max(day).filter(|again_at| now < *again_at)
}

/// Remembers a forced refresh, and forgets those of yesterday.
pub(super) fn forced_now(forced: &mut Vec<UnixMs>, now: UnixMs) {
    forced.retain(|at| now.since(*at) < DAY);
    forced.push(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_fetches_in_the_first_minute_then_one_in_ten() {
        let start = UnixMs(1_000_000_000);
        let mut trouble = Trouble::begin("t0".into(), start.minus(LATER), start);
        let mut fetches = Vec::new();
        let mut now = start;
        while now < start.plus(Duration::from_secs(3_600)) {
            if now >= trouble.next_fetch() {
                trouble.fetched(now);
                fetches.push(now);
            }
            now = now.plus(Duration::from_secs(1));
        }
        let first_minute = fetches
            .iter()
            .filter(|at| at.since(start) < Duration::from_secs(60))
            .count();
        assert_eq!(first_minute, 3);
        assert!(
            fetches[2..]
                .windows(2)
                .all(|two| two[1].since(two[0]) >= LATER)
        );
        assert_eq!(fetches.len(), 3 + 5);
    }

    #[test]
    fn a_fight_over_the_token_costs_three_fetches_at_once_and_then_one_in_a_minute() {
        let start = UnixMs(1_000_000_000);
        let (mut used, mut now, mut fetches) = (UnixMs(0), start, Vec::new());
        while now < start.plus(DAY) {
            if now >= refetch_at(used) {
                refetched(&mut used, now);
                fetches.push(now);
            }
            now = now.plus(Duration::from_secs(1));
        }
        assert_eq!(fetches[2], start.plus(Duration::from_secs(2)));
        assert!(fetches.len() < 1_500, "{} in a day", fetches.len());
        assert!(
            refetch_at(used) <= now.plus(REFETCH_APART),
            "nobody starves"
        );
    }

    #[test]
    fn a_token_just_fetched_counts_as_the_first_of_the_three() {
        let now = UnixMs(1_000_000_000);
        assert_eq!(
            Trouble::begin("t".into(), now.minus(Duration::from_secs(5)), now)
                .fetches
                .len(),
            1
        );
        assert_eq!(
            Trouble::begin("t".into(), now.minus(LATER), now)
                .fetches
                .len(),
            0
        );
    }

    #[test]
    fn forced_refreshes_are_thirty_seconds_apart_and_twenty_a_day() {
        let mut now = UnixMs(1_000_000_000);
        let mut forced = Vec::new();
        for _ in 0..FORCED_A_DAY {
            assert!(may_force(&forced, now));
            forced_now(&mut forced, now);
            assert!(!may_force(&forced, now.plus(Duration::from_secs(29))));
            let again_at = force_again_at(&forced, now);
            if forced.len() < FORCED_A_DAY {
                assert_eq!(again_at, Some(now.plus(FORCED_APART)));
            }
            now = now.plus(FORCED_APART);
        }
        assert!(!may_force(&forced, now));
        let first = UnixMs(1_000_000_000);
        assert_eq!(force_again_at(&forced, now), Some(first.plus(DAY)));
        assert!(may_force(&forced, now.plus(DAY)));
    }
}
