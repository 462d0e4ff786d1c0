//! Days and months in Beijing, by which WeChat counts, and what follows from them. Pure.

use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::time::UnixMs;

/// So often WeChat lets an account's quotas be cleared in a month, by all ways together.
pub const CLEARINGS_A_MONTH: u8 = 10;
/// WeChat's clock may go after ours: a quota that is spent so soon after midnight may be yesterday's.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(15 * 60);
/// When it is tried again in that time.
const SOON: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// When an account is tried again that WeChat refuses for want of quota at `now`.
#[must_use]
pub fn renewed_after(now: UnixMs) -> UnixMs {
    let midnight = now.next_beijing_midnight();
    if now.since(midnight.minus(DAY)) < AFTER_MIDNIGHT {
        now.plus(SOON)
    } else {
        midnight
    }
}

/// When the month of `now` ends in Beijing.
#[must_use]
pub fn month_end(now: UnixMs) -> UnixMs {
    month_edge(now, 1)
}

/// When the month of `now` began in Beijing.
pub(super) fn month_begin(now: UnixMs) -> UnixMs {
    month_edge(now, 0)
}

fn month_edge(now: UnixMs, later: i64) -> UnixMs {
    let beijing = TimeZone::fixed(Offset::constant(8));
    let moment = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
    let first = moment.to_zoned(beijing.clone()).date().first_of_month();
    let edge = first.checked_add(later.months()).unwrap_or(first);
    let edge = beijing.to_zoned(edge.to_datetime(jiff::civil::Time::midnight()));
    edge.map_or(now, |edge| UnixMs(edge.timestamp().as_millisecond()))
}

/// When what is left runs out at a pace; none if that is not before the day changes.
pub(super) fn runs_out_at(remaining: u64, per_hour: u64, now: UnixMs) -> Option<UnixMs> {
    if remaining == 0 {
        return Some(now);
    }
    let millis = remaining.saturating_mul(3_600_000).checked_div(per_hour)?;
    let at = now.plus(Duration::from_millis(millis));
    (at < now.next_beijing_midnight()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_spent_quota_is_tried_again_when_the_day_changes_in_beijing() {
        for (now, again) in [
            ("2026-11-25T12:00:00+08:00", "2026-11-26T00:00:00+08:00"),
            ("2026-11-25T23:59:59+08:00", "2026-11-26T00:00:00+08:00"),
            ("2026-11-26T00:00:02+08:00", "2026-11-26T00:01:02+08:00"),
            ("2026-11-26T00:15:00+08:00", "2026-11-27T00:00:00+08:00"),
        ] {
            assert_eq!(renewed_after(moment(now)), moment(again), "{now}");
        }
    }

    #[test]
    fn months_are_beijings() {
        let now = moment("2026-11-30T16:30:00Z");
        assert_eq!(month_begin(now), moment("2026-12-01T00:00:00+08:00"));
        assert_eq!(month_end(now), moment("2027-01-01T00:00:00+08:00"));
    }

    #[test]
    fn it_runs_out_today_or_it_does_not() {
        let now = moment("2026-11-25T12:00:00+08:00");
        let in_two_hours = moment("2026-11-25T14:00:00+08:00");
        assert_eq!(runs_out_at(20, 10, now), Some(in_two_hours));
        assert_eq!(runs_out_at(120, 10, now), None, "the day changes first");
        assert_eq!(runs_out_at(1, 0, now), None);
        assert_eq!(runs_out_at(0, 0, now), Some(now));
    }
}
