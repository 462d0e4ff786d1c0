//! A message whose template is stopped waits aside, so that it holds up nobody, and goes on when the stop is over.
//! It must not know why a template is stopped.

use std::time::Duration;

use super::Delivery;
use crate::message::{Reason, Status};
use crate::time::UnixMs;

/// How long a message stays aside before it is looked at again although nobody called it back.
pub const PARKED: Duration = Duration::from_secs(3_600);

impl Delivery {
    /// Whether it can be put aside. One in doubt cannot: its user may have it, and only its repeats can tell.
    #[must_use]
    pub fn may_be_parked(&self) -> bool {
        self.status == Status::Queued && self.doubt.is_none()
    }

    /// Puts a waiting message aside. Answers whether it did.
    pub fn park(&mut self, now: UnixMs) -> bool {
        let may = self.may_be_parked();
        if may {
            self.put_aside(now);
        }
        may
    }

    pub(super) fn put_aside(&mut self, now: UnixMs) {
        self.requeue(now.plus(PARKED), Some(Reason::TemplateStopped));
    }

    /// Calls a message back that was put aside. Its broadcast may hold it all the same. Answers whether it was aside.
    pub fn unpark(&mut self, now: UnixMs) -> bool {
        let aside = self.status == Status::Queued && self.reason == Some(Reason::TemplateStopped);
        let held = self.is_held();
        if aside {
            self.requeue(now, None);
        }
        if aside && held {
            self.hold();
        }
        aside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    #[test]
    fn what_is_put_aside_comes_back_at_once() {
        let mut message = Delivery::queued(NOW, None);
        assert!(!message.unpark(NOW), "it is not aside");
        assert!(message.park(NOW));
        assert_eq!(message.due_at, NOW.plus(PARKED));
        assert!(message.unpark(NOW) && !message.unpark(NOW));
        assert_eq!(message, Delivery::queued(NOW, None));
    }

    #[test]
    fn a_paused_broadcast_holds_what_is_called_back_meanwhile() {
        let mut message = Delivery::queued(NOW, None);
        assert!(message.park(NOW) && message.hold());
        let later = NOW.plus(Duration::from_secs(60));
        assert!(message.unpark(later) && message.is_held());
        assert!(message.let_go());
        assert_eq!(message, Delivery::queued(later, None));
    }
}
