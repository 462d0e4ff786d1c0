//! Quiet hours: when an account sends nothing of some priorities, by the clocks of a place. Pure; knows no account.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::message::Priority;
use crate::time::UnixMs;

/// Stretches that follow each other without a pause are gone through at most so many times.
const CHAIN_MAX: usize = 16;

/// A stretch of every day, over midnight where it ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first quiet moment.
    pub from: Time,
    /// The first moment that is not quiet any more.
    pub to: Time,
    /// Of which priorities, in the order of [`Priority::ALL`].
    pub priorities: [bool; 3],
}

/// All quiet hours of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    zone: TimeZone,
    stretches: Vec<Stretch>,
}

/// Some priority would never be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("messages of priority {0} would never be sent: leave them some time of the day")]
pub struct NeverSent(pub Priority);

impl QuietHours {
    /// These stretches by the clocks of `zone`. Refused if they leave a priority no time of the day.
    pub fn new(zone: TimeZone, stretches: Vec<Stretch>) -> Result<Self, NeverSent> {
        for priority in Priority::ALL {
            let of = |stretch: &&Stretch| stretch.priorities[*priority as usize];
            if covers_the_day(stretches.iter().filter(of)) {
                return Err(NeverSent(*priority));
            }
        }
        Ok(Self { zone, stretches })
    }

    /// When a message may go that is due at `due`: then, or at the end of the quiet hours.
    #[must_use]
    pub fn put_off(&self, priority: Priority, due: UnixMs) -> UnixMs {
        let mut at = due;
        for _ in 0..CHAIN_MAX {
            let around = self.around(at);
            let mut ends = around
                .filter(|(stretch, from, to)| {
                    stretch.priorities[priority as usize] && *from <= at && at < *to
                })
                .map(|(.., to)| to);
            match ends.next() {
                Some(first) => at = ends.fold(first, UnixMs::max),
                None => break,
            }
        }
        at
    }

    /// Of which priorities nothing is sent at `now`, and until when that does not change.
    #[must_use]
    pub fn at(&self, now: UnixMs) -> ([bool; 3], UnixMs) {
        let mut quiet = [false; 3];
        let mut until = UnixMs(i64::MAX);
        for (stretch, from, to) in self.around(now) {
            if from <= now && now < to {
                for (all, one) in quiet.iter_mut().zip(stretch.priorities) {
                    *all |= one;
                }
            }
            for edge in [from, to] {
                if edge > now {
                    until = until.min(edge);
                }
            }
        }
        (quiet, until)
    }

    /// Every stretch as it lies on the days around a moment.
    fn around(&self, now: UnixMs) -> impl Iterator<Item = (&Stretch, UnixMs, UnixMs)> {
        let moment = Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = moment.to_zoned(self.zone.clone()).date();
        let days = [today.yesterday(), Ok(today), today.tomorrow()];
        days.into_iter().flatten().flat_map(move |day| {
            self.stretches.iter().filter_map(move |stretch| {
                let last = if stretch.to <= stretch.from {
                    day.checked_add(1.day()).ok()?
                } else {
                    day
                };
                Some((
                    stretch,
                    self.moment(day, stretch.from)?,
                    self.moment(last, stretch.to)?,
                ))
            })
        })
    }

    /// A time that the clocks skip is taken as the moment they skip it; of one that they show twice, the first.
    fn moment(&self, day: Date, time: Time) -> Option<UnixMs> {
        let zoned = self.zone.to_zoned(day.to_datetime(time)).ok()?;
        Some(UnixMs(zoned.timestamp().as_millisecond()))
    }
}

/// Whether the stretches leave no minute of a day.
fn covers_the_day<'a>(stretches: impl Iterator<Item = &'a Stretch>) -> bool {
    let mut minutes = [false; 24 * 60];
    let minute = |time: Time| {
        usize::from(time.hour().unsigned_abs()) * 60 + usize::from(time.minute().unsigned_abs())
    };
    for stretch in stretches {
        let (from, to) = (minute(stretch.from), minute(stretch.to));
        let length = (to + minutes.len() - from - 1) % minutes.len() + 1;
        for nth in 0..length {
            minutes[(from + nth) % (24 * 60)] = true;
        }
    }
    minutes.iter().all(|quiet| *quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_BUT_HIGH: [bool; 3] = [false, true, true];

    fn hours(zone: &str, stretches: &[(&str, &str, [bool; 3])]) -> Result<QuietHours, NeverSent> {
        let stretches = stretches.iter().map(|(from, to, priorities)| Stretch {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            priorities: *priorities,
        });
        QuietHours::new(TimeZone::get(zone).unwrap(), stretches.collect())
    }

    fn moment(text: &str) -> UnixMs {
        UnixMs(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[track_caller]
    fn check(hours: &QuietHours, due: &str, goes: &str) {
        let (due, goes) = (moment(due), moment(goes));
        assert_eq!(hours.put_off(Priority::Normal, due), goes);
        assert_eq!(hours.at(due).0[1], due != goes, "both views agree");
    }

    #[test]
    fn a_night_is_quiet_over_midnight() {
        let night = hours("Asia/Shanghai", &[("22:00", "07:30", ALL_BUT_HIGH)]).unwrap();
        for (due, goes) in [
            (
                "2026-11-25T21:59:59.999+08:00",
                "2026-11-25T21:59:59.999+08:00",
            ),
            ("2026-11-25T22:00:00+08:00", "2026-11-26T07:30:00+08:00"),
            ("2026-11-26T00:00:00+08:00", "2026-11-26T07:30:00+08:00"),
            ("2026-11-26T07:29:59.999+08:00", "2026-11-26T07:30:00+08:00"),
            ("2026-11-26T07:30:00+08:00", "2026-11-26T07:30:00+08:00"),
        ] {
            check(&night, due, goes);
        }
        let due = moment("2026-11-26T03:00:00+08:00");
        assert_eq!(night.put_off(Priority::High, due), due);
        assert_eq!(
            night.at(due),
            (ALL_BUT_HIGH, moment("2026-11-26T07:30:00+08:00"))
        );
        let noon = moment("2026-11-26T12:00:00+08:00");
        assert_eq!(
            night.at(noon),
            ([false; 3], moment("2026-11-26T22:00:00+08:00"))
        );
    }

    #[test]
    fn the_clocks_of_the_place_decide_when_they_change() {
        let night = hours("Europe/Berlin", &[("02:30", "06:00", ALL_BUT_HIGH)]).unwrap();
        // On 2027-03-28 the clocks go from 02:00 to 03:00, so that there is no 02:30.
        check(&night, "2027-03-28T00:59:59Z", "2027-03-28T00:59:59Z");
        check(&night, "2027-03-28T01:30:00Z", "2027-03-28T04:00:00Z");
        // On 2026-10-25 they show 02:30 twice: at 00:30 and at 01:30 UTC.
        check(&night, "2026-10-25T00:29:59Z", "2026-10-25T00:29:59Z");
        check(&night, "2026-10-25T00:30:00Z", "2026-10-25T05:00:00Z");
        check(&night, "2026-10-25T01:30:00Z", "2026-10-25T05:00:00Z");
    }

    #[test]
    fn stretches_that_meet_are_one() {
        let both = &[
            ("22:00", "06:00", ALL_BUT_HIGH),
            ("06:00", "08:00", ALL_BUT_HIGH),
            ("23:00", "05:00", [true; 3]),
        ];
        let night = hours("Asia/Shanghai", both).unwrap();
        check(
            &night,
            "2026-11-25T23:30:00+08:00",
            "2026-11-26T08:00:00+08:00",
        );
        let due = moment("2026-11-25T23:30:00+08:00");
        let ends = moment("2026-11-26T05:00:00+08:00");
        assert_eq!(night.put_off(Priority::High, due), ends);
    }

    #[test]
    fn no_priority_is_quiet_all_day() {
        let bulk = [false, false, true];
        let all = hours(
            "Asia/Shanghai",
            &[("08:00", "20:00", bulk), ("20:00", "08:00", bulk)],
        );
        assert_eq!(all, Err(NeverSent(Priority::Bulk)));
        let whole = hours("Asia/Shanghai", &[("08:00", "08:00", bulk)]);
        assert_eq!(whole, Err(NeverSent(Priority::Bulk)));
        assert!(hours("Asia/Shanghai", &[("08:00", "07:59", bulk)]).is_ok());
    }
}
