//! What a broadcast that is paused does to its messages: they wait where no clock comes, and go on as if they had not.
//! A message in doubt is never held, because its window would close meanwhile. The doubt of an earlier generation has none.

use std::time::Duration;

use super::Delivery;
use crate::broadcast::port::HELD_MS;
use crate::message::Status;
use crate::port::Moved;
use crate::time::UnixMs;

impl Delivery {
    /// Holds a message that waits. Answers whether that changed it.
    pub fn hold(&mut self) -> bool {
        let waits = self.status == Status::Queued && self.doubt.is_none() && !self.is_held();
        if waits {
            self.due_at = UnixMs(self.due_at.0.saturating_add(HELD_MS));
        }
        waits
    }

    /// Lets a held message go on. Answers whether that changed it.
    pub fn let_go(&mut self) -> bool {
        let held = self.status == Status::Queued && self.is_held();
        if held {
            self.due_at = self.due_at.minus(HELD);
        }
        held
    }

    /// Whether it waits for its broadcast to go on.
    #[must_use]
    pub fn is_held(&self) -> bool {
        is_held(self.due_at)
    }
}

impl Moved {
    /// Whether it waits for its broadcast to go on.
    #[must_use]
    pub fn is_held(&self) -> bool {
        is_held(self.due_at)
    }
}

fn is_held(due_at: UnixMs) -> bool {
    due_at.0 >= HELD_MS
}

const HELD: Duration = Duration::from_millis(HELD_MS.unsigned_abs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_goes_on_where_it_was() {
        let before = Delivery::queued(UnixMs(1_000), None);
        let mut message = before.clone();
        assert!(message.hold() && message.is_held());
        assert!(!message.hold(), "once is enough");
        assert!(message.let_go() && !message.let_go());
        assert_eq!(message, before);
    }

    #[test]
    fn a_message_in_doubt_is_never_held() {
        let mut message = Delivery::queued(UnixMs(1_000), None);
        message.doubt = Some(UnixMs(900));
        assert!(!message.hold());
        assert_eq!(message.due_at, UnixMs(1_000));
        (message.doubt, message.old_doubt) = (None, true);
        assert!(message.hold(), "no window closes on a forced retry");
    }
}
