//! What holds back one kind of an account's messages while its others go on: WeChat gives each call a quota and a permission
//! of its own. Template messages are the lane's affair, because most accounts send nothing else. Pure state.

use std::time::Duration;

use hongyan_wechat::errcode::{AccountFault, Class};

use crate::message::{Priority, Reason};
use crate::quota::{Allowance, renewed_after};
use crate::time::UnixMs;

/// What is held back is looked at again so often, because what holds it may end sooner than was thought.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// The pauses before a kind that WeChat does not grant is tried again.
const REFUSED_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// A probe whose answer did not come in so long is over.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);

/// A kind of which nothing goes but a probe, from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindHold {
    /// When it is tried again.
    pub until: UnixMs,
    /// Why it is held.
    pub reason: Reason,
}

/// What the answer to a call meant for its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KindTurn {
    /// Nothing.
    Same,
    /// WeChat takes none of the kind; whether that is news.
    Held { news: bool },
    /// It takes them again.
    GoesOn,
}

/// One kind of an account's messages.
#[derive(Debug, Default)]
pub(super) struct KindGate {
    pub(super) allowance: Option<Allowance>,
    in_flight: usize,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    hold: KindHold,
    pause: Duration,
    /// When the probe that is under way went out.
    probed_at: Option<UnixMs>,
}

/// A call that may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entered {
    /// Whether it tries a kind that is held.
    pub(super) probe: bool,
}

impl KindGate {
    /// What holds a message of a priority back now, and until when it is put off for that.
    pub(super) fn held_back(&self, priority: Priority, now: UnixMs) -> Option<KindHold> {
        let held = self.held.filter(|held| {
            let probing = held
                .probed_at
                .is_some_and(|at| now < at.plus(PROBE_PATIENCE));
            now < held.hold.until || probing
        });
        let hold = held.map(|held| held.hold);
        let hold = hold.or_else(|| self.spent_until(priority, self.in_flight, now))?;
        Some(hold.looked_at_again(now))
    }

    /// Whether a call may begin; else what holds its message back.
    pub(super) fn enter(&mut self, priority: Priority, now: UnixMs) -> Result<Entered, KindHold> {
        if let Some(hold) = self.held_back(priority, now) {
            return Err(hold);
        }
        self.in_flight += 1;
        let probe = self.held.is_some();
        if let Some(held) = &mut self.held {
            held.probed_at = Some(now);
        }
        Ok(Entered { probe })
    }

    /// A call is over; its answer has a class if it was one. Of a kind that is held a probe's answer alone says something:
    /// the others were begun before.
    pub(super) fn left(
        &mut self,
        Entered { probe }: Entered,
        class: Option<Class>,
        now: UnixMs,
    ) -> KindTurn {
        self.in_flight = self.in_flight.saturating_sub(1);
        if class == Some(Class::Ok)
            && let Some(allowance) = &mut self.allowance
        {
            allowance.remaining = allowance.remaining.saturating_sub(1);
        }
        let reason = match class {
            Some(Class::Quota) => Reason::QuotaExhausted,
            Some(Class::Account(AccountFault::Capability)) => Reason::AccountUnusable,
            Some(Class::Ok) if probe && self.held.take().is_some() => return KindTurn::GoesOn,
            _ => {
                if probe && let Some(held) = &mut self.held {
                    held.probed_at = None;
                }
                return KindTurn::Same;
            }
        };
        let pause = match self.held {
            Some(_) if !probe => return KindTurn::Held { news: false },
            Some(held) => (held.pause * 2).min(REFUSED_PAUSE.1),
            None => REFUSED_PAUSE.0,
        };
        let until = match reason {
            Reason::QuotaExhausted => renewed_after(now),
            _ => now.plus(pause),
        };
        let news = self.held.is_none();
        self.hold(KindHold { until, reason }, pause);
        KindTurn::Held { news }
    }

    /// Nothing of it goes until then.
    fn hold(&mut self, hold: KindHold, pause: Duration) {
        self.held = Some(Held {
            hold,
            pause,
            probed_at: None,
        });
    }

    /// The same, as it was known before this process began.
    pub(super) fn stop_until(&mut self, until: UnixMs) {
        let reason = Reason::QuotaExhausted;
        self.hold(KindHold { until, reason }, REFUSED_PAUSE.0);
    }

    /// What holds it may be over: one probe may go out now.
    pub(super) fn probe_now(&mut self, now: UnixMs) {
        if let Some(held) = &mut self.held {
            held.hold.until = now.min(held.hold.until);
        }
    }

    pub(super) fn held(&self) -> Option<KindHold> {
        self.held.map(|held| held.hold)
    }

    /// When a message of a priority may go, as far as this goes; none if nothing holds it. Of a kind whose probe is due it is
    /// past.
    pub(super) fn opens_at(&self, priority: Priority, now: UnixMs) -> Option<UnixMs> {
        let held = self.held().map(|hold| hold.until);
        held.max(self.spent_until(priority, 0, now).map(|hold| hold.until))
    }

    fn spent_until(&self, priority: Priority, in_flight: usize, now: UnixMs) -> Option<KindHold> {
        let allowance = self.allowance.filter(|of| now < of.until)?;
        (allowance.room(priority, in_flight) == 0).then_some(KindHold {
            until: allowance.until,
            reason: Reason::QuotaExhausted,
        })
    }
}

impl KindHold {
    fn looked_at_again(self, now: UnixMs) -> Self {
        // One whose probe is under way is looked at when that must be over.
        let until = self.until.max(now.plus(PROBE_PATIENCE));
        Self {
            until: until.min(now.plus(LOOK_AGAIN)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);
    const NORMAL: Priority = Priority::Normal;
    const LACKING: Option<Class> = Some(Class::Account(AccountFault::Capability));
    const CALL: Entered = Entered { probe: false };
    const PROBE: Entered = Entered { probe: true };

    fn after(seconds: u64) -> UnixMs {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_kind_that_wechat_does_not_grant_is_tried_by_one_probe_after_longer_and_longer_pauses() {
        let mut kind = KindGate::default();
        for _ in 0..3 {
            assert_eq!(kind.enter(NORMAL, NOW), Ok(CALL));
        }
        assert_eq!(kind.left(CALL, LACKING, NOW), KindTurn::Held { news: true });
        // Calls that were under way at the same time say nothing new.
        assert_eq!(
            kind.left(CALL, LACKING, NOW),
            KindTurn::Held { news: false }
        );
        assert_eq!(kind.left(CALL, Some(Class::Ok), NOW), KindTurn::Same);
        let held = kind.enter(NORMAL, NOW).unwrap_err();
        assert_eq!(
            (held.until, held.reason),
            (after(60), Reason::AccountUnusable)
        );
        assert_eq!(kind.held_back(NORMAL, after(60)), None);
        assert_eq!(kind.enter(NORMAL, after(60)), Ok(PROBE));
        let beside = kind.enter(NORMAL, after(60)).unwrap_err();
        assert_eq!(beside.until, after(90), "one probe alone");
        kind.left(PROBE, LACKING, after(61));
        assert_eq!(kind.opens_at(NORMAL, after(61)), Some(after(181)));
        assert_eq!(kind.enter(NORMAL, after(181)), Ok(PROBE));
        assert_eq!(
            kind.left(PROBE, Some(Class::Ok), after(181)),
            KindTurn::GoesOn
        );
        assert_eq!(kind.enter(NORMAL, after(181)), Ok(CALL));
        assert_eq!(kind.held(), None);
    }

    #[test]
    fn a_probe_that_says_nothing_of_it_is_followed_by_another() {
        let mut kind = KindGate::default();
        kind.stop_until(after(10));
        kind.probe_now(NOW);
        assert_eq!(kind.enter(NORMAL, NOW), Ok(PROBE));
        assert_eq!(kind.left(PROBE, None, after(1)), KindTurn::Same);
        assert_eq!(
            kind.enter(NORMAL, after(1)),
            Ok(PROBE),
            "the message's own fault"
        );
        assert!(kind.enter(NORMAL, after(2)).is_err());
        assert_eq!(
            kind.enter(NORMAL, after(31)),
            Ok(PROBE),
            "its answer never came"
        );
    }

    #[test]
    fn a_spent_quota_is_held_until_the_day_changes_and_looked_at_again_meanwhile() {
        let mut kind = KindGate::default();
        kind.enter(NORMAL, NOW).unwrap();
        let turned = kind.left(CALL, Some(Class::Quota), NOW);
        assert_eq!(turned, KindTurn::Held { news: true });
        assert_eq!(kind.opens_at(NORMAL, NOW), Some(renewed_after(NOW)));
        let held = kind.enter(NORMAL, NOW).unwrap_err();
        assert_eq!(
            (held.until, held.reason),
            (after(600), Reason::QuotaExhausted)
        );
        kind.probe_now(after(5));
        assert_eq!(kind.enter(NORMAL, after(5)), Ok(PROBE));
    }

    #[test]
    fn what_is_left_is_kept_for_who_comes_first_whatever_wechat_says_meanwhile() {
        let allowance = Allowance {
            remaining: 21,
            kept: [0, 0, 20],
            until: after(1_000),
        };
        let mut kind = KindGate {
            allowance: Some(allowance),
            ..KindGate::default()
        };
        for class in [None, Some(Class::Content), Some(Class::Ok)] {
            assert_eq!(kind.enter(Priority::Bulk, NOW), Ok(CALL), "{class:?}");
            let beside = kind.enter(Priority::Bulk, NOW).unwrap_err();
            assert_eq!(beside.reason, Reason::QuotaExhausted);
            // Another word that does not know of the call yet.
            kind.allowance = Some(allowance);
            assert!(kind.enter(Priority::Bulk, NOW).is_err());
            assert_eq!(kind.left(CALL, class, NOW), KindTurn::Same);
        }
        assert!(kind.enter(Priority::Bulk, NOW).is_err());
        assert_eq!(kind.enter(Priority::High, NOW), Ok(CALL));
        assert_eq!(
            kind.enter(Priority::Bulk, after(1_000)),
            Ok(CALL),
            "a new day"
        );
    }
}
