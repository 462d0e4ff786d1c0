//! What holds back messages of an account that could be sent: quiet hours, what is left of the day's quota, the rate.
//! Pure state; an account of which none of it is known pays for nothing.

use std::sync::Arc;

use crate::message::Priority;
use crate::quiet::QuietHours;
use crate::quota::Allowance;
use crate::rate::Pace;
use crate::time::UnixMs;

/// As many as there are slots.
const UNBOUND: usize = usize::MAX;

/// One account's gate.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) hours: Option<Arc<QuietHours>>,
    /// Which priorities are quiet, and until when that holds.
    quiet: ([bool; 3], UnixMs),
    /// Of template messages: a claim asks for no kind, and the others are looked at before their calls.
    pub(super) allowance: Option<Allowance>,
    pub(super) pace: Pace,
    /// Which priorities were open when it was last looked at.
    was_open: [bool; 3],
}

impl Gate {
    /// Looks at the time. Answers whether a priority opened since: what waited meanwhile may be due.
    pub(super) fn look(&mut self, in_flight: usize, now: UnixMs) -> bool {
        if self.hours.is_none() && self.allowance.is_none() && self.was_open == [true; 3] {
            return false;
        }
        if let Some(hours) = &self.hours
            && now >= self.quiet.1
        {
            self.quiet = hours.at(now);
        }
        if self.allowance.is_some_and(|of| now >= of.until) {
            self.allowance = None;
        }
        let open = self.at_most(in_flight).map(|room| room > 0);
        let opened = (0..3).any(|nth| open[nth] && !self.was_open[nth]);
        self.was_open = open;
        opened
    }

    /// At most so many more calls of each priority may begin, as of the last look.
    pub(super) fn at_most(&self, in_flight: usize) -> [usize; 3] {
        let mut room = [UNBOUND; 3];
        for (nth, priority) in Priority::ALL.iter().enumerate() {
            if let Some(allowance) = &self.allowance {
                room[nth] = allowance.room(*priority, in_flight);
            }
            if self.quiet.0[nth] {
                room[nth] = 0;
            }
        }
        room
    }

    /// Whether a message that comes in now may go at once. What is limited in its rate always waits for its turn.
    pub(super) fn lets_pass(&self, priority: Priority, in_flight: usize) -> bool {
        self.pace.limit().is_none() && self.at_most(in_flight)[priority as usize] > 0
    }

    /// Until when there is no quota left for a priority; none if there is.
    pub(super) fn spent_until(&self, priority: Priority, now: UnixMs) -> Option<UnixMs> {
        let allowance = self.allowance.filter(|of| now < of.until)?;
        (allowance.room(priority, 0) == 0).then_some(allowance.until)
    }

    /// Other quiet hours than before, or none.
    pub(super) fn keep_hours(&mut self, hours: Option<Arc<QuietHours>>) {
        self.hours = hours;
        self.quiet = ([false; 3], UnixMs(i64::MIN));
    }

    /// A message was taken by WeChat.
    pub(super) fn spent(&mut self) {
        if let Some(allowance) = &mut self.allowance {
            allowance.remaining = allowance.remaining.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::quiet::Stretch;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    #[test]
    fn what_is_left_of_the_quota_is_kept_for_who_comes_first() {
        let mut gate = Gate {
            allowance: Some(Allowance {
                remaining: 30,
                kept: [0, 5, 20],
                until: UnixMs(NOW.0 + 1_000),
            }),
            ..Gate::default()
        };
        gate.look(4, NOW);
        assert_eq!(gate.at_most(4), [26, 21, 6]);
        for _ in 0..15 {
            gate.spent();
        }
        assert_eq!(gate.at_most(0), [15, 10, 0]);
        assert!(gate.lets_pass(Priority::Normal, 9) && !gate.lets_pass(Priority::Bulk, 0));
        let until = UnixMs(NOW.0 + 1_000);
        assert_eq!(gate.spent_until(Priority::Bulk, NOW), Some(until));
        assert_eq!(gate.spent_until(Priority::Bulk, until), None);
        assert_eq!(gate.spent_until(Priority::Normal, NOW), None);
        assert!(!gate.look(0, UnixMs(NOW.0 + 999)));
        assert!(gate.look(0, UnixMs(NOW.0 + 1_000)), "a new day");
        assert_eq!(gate.at_most(100), [UNBOUND; 3]);
    }

    #[test]
    fn quiet_hours_hold_their_priorities_until_they_end() {
        let night = Stretch {
            from: "22:00".parse().unwrap(),
            to: "07:00".parse().unwrap(),
            priorities: [false, false, true],
        };
        let hours = QuietHours::new(TimeZone::UTC, vec![night]).unwrap();
        let mut gate = Gate {
            hours: Some(Arc::new(hours)),
            ..Gate::default()
        };
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            UnixMs(at.as_millisecond())
        };
        gate.look(0, at("2026-11-25T23:00:00Z"));
        assert_eq!(gate.at_most(0), [UNBOUND, UNBOUND, 0]);
        assert!(!gate.look(0, at("2026-11-26T06:59:59Z")));
        assert!(gate.look(0, at("2026-11-26T07:00:00Z")), "bulk opened");
        assert_eq!(gate.at_most(0), [UNBOUND; 3]);
    }
}
