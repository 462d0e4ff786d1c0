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
            self.requeue(now.plus(PARKED), Some(Reason::TemplateStopped));
        }
        may
    }

    /// Calls a message back that was put aside. Answers whether it did.
    pub fn unpark(&mut self, now: UnixMs) -> bool {
        let aside = self.status == Status::Queued && self.reason == Some(Reason::TemplateStopped);
        if aside {
            let held = self.is_held();
            self.requeue(now, None);
            // Its broadcast is paused as well.
            if held {
                self.hold();
            }
        }
        aside
    }
}
