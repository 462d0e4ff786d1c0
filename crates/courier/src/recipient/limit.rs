//! How often an account may write to one recipient: so many messages in so long. Pure; a store tells when the last ones
//! went out.

use std::time::Duration;

use crate::message::Priority;
use crate::time::UnixMs;

/// The most that a limit may count: a claim looks at no more of a recipient's sends than this.
pub const COUNT_MAX: usize = 100;

/// At most so many messages to one recipient in so long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientLimit {
    /// So many; 1 to [`COUNT_MAX`].
    pub count: usize,
    /// In any period of this length.
    pub per: Duration,
    /// Whom it holds back; messages of other priorities go, but count.
    pub priorities: Vec<Priority>,
}

/// When a message of this priority may go to a recipient who was last written to at `sends`, newest first; none if at once.
#[must_use]
pub fn opens_at(
    limits: &[RecipientLimit],
    priority: Priority,
    sends: &[UnixMs],
    now: UnixMs,
) -> Option<UnixMs> {
    let concerned = limits
        .iter()
        .filter(|limit| limit.priorities.contains(&priority));
    let ends = concerned.filter_map(|limit| {
        // Of the last `count` sends the oldest must have left the period.
        let oldest = sends.get(limit.count.checked_sub(1)?)?;
        Some(oldest.plus(limit.per)).filter(|end| now < *end)
    });
    ends.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn limit(count: usize, seconds: u64, priorities: &[Priority]) -> RecipientLimit {
        RecipientLimit {
            count,
            per: Duration::from_secs(seconds),
            priorities: priorities.to_vec(),
        }
    }

    fn ago(seconds: u64) -> UnixMs {
        NOW.minus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_window_opens_when_its_oldest_send_has_left_it() {
        let limits = [limit(2, 60, Priority::ALL), limit(3, 600, Priority::ALL)];
        let check = |sends: &[u64], seconds: Option<u64>| {
            let sends: Vec<UnixMs> = sends.iter().map(|seconds| ago(*seconds)).collect();
            let opens = opens_at(&limits, Priority::Normal, &sends, NOW);
            assert_eq!(
                opens,
                seconds.map(|s| NOW.plus(Duration::from_secs(s))),
                "{sends:?}"
            );
        };
        check(&[], None);
        check(&[1], None);
        check(&[1, 2], Some(58));
        check(&[1, 60], None);
        check(&[1, 70, 80], Some(520));
        check(&[1, 2, 3], Some(597));
    }

    #[test]
    fn who_is_not_held_back_goes() {
        let limits = [limit(1, 60, &[Priority::Bulk])];
        assert!(opens_at(&limits, Priority::Bulk, &[ago(1)], NOW).is_some());
        assert_eq!(opens_at(&limits, Priority::High, &[ago(1)], NOW), None);
    }
}
