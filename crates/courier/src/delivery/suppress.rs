//! What its recipient's standing does to a message that waits: it ends without a call, or is put off. A message in doubt is
//! left to the look before its call, which may not say "the user saw nothing" of it.

use super::{Attempt, Delivery};
use crate::message::{Reason, Status};
use crate::time::UnixMs;

impl Delivery {
    /// Ends a waiting message whose recipient is suppressed for this reason. Answers whether it did.
    pub fn suppress(&mut self, reason: Reason) -> bool {
        let waits = self.status == Status::Queued && !self.doubtful();
        if waits {
            self.finish(Status::Suppressed, Some(reason));
        }
        waits
    }

    /// Puts a waiting message off, because its recipient gets too much for now. It is no attempt.
    pub fn put_off(&mut self, until: UnixMs) {
        if self.status == Status::Queued && !self.doubtful() {
            self.due_at = self.due_at.max(until);
            self.reason = Some(Reason::FrequencyLimited);
        }
    }

    /// Lets a message go that was put off, since its recipient may be written to again. Its broadcast may hold it all the
    /// same. Answers whether it had been put off.
    pub fn put_off_no_more(&mut self, now: UnixMs) -> bool {
        let limited = self.reason == Some(Reason::FrequencyLimited);
        let was_put_off = self.status == Status::Queued && limited && !self.doubtful();
        if was_put_off {
            let held = self.let_go();
            self.due_at = self.due_at.min(now);
            self.reason = None;
            if held {
                self.hold();
            }
        }
        was_put_off
    }

    /// When WeChat last took this message, or may have, as far as its recipient's limits are concerned.
    #[must_use]
    pub fn went_out_at(&self) -> Option<UnixMs> {
        let may_be = self.lease.as_ref().map(|lease| lease.at).or(self.doubt);
        Self::last_went_out(may_be, &self.attempts)
    }

    /// The same of a row's parts: when it was leased or came into doubt, and its calls.
    #[must_use]
    pub fn last_went_out(may_be: Option<UnixMs>, attempts: &[Attempt]) -> Option<UnixMs> {
        let took = |attempt: &&Attempt| attempt.errcode == Some(0);
        let taken = attempts.iter().rev().find(took).map(|call| call.at);
        taken.max(may_be)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn put_off() -> Delivery {
        let mut message = Delivery::queued(NOW, None);
        message.put_off(NOW.plus(Duration::from_secs(3_600)));
        message
    }

    #[test]
    fn what_was_put_off_goes_on_at_once() {
        let later = NOW.plus(Duration::from_secs(60));
        let mut message = put_off();
        assert!(message.put_off_no_more(later) && !message.put_off_no_more(later));
        assert_eq!(message, Delivery::queued(later, None));
    }

    #[test]
    fn a_paused_broadcast_holds_it_all_the_same() {
        let mut message = put_off();
        assert!(message.hold() && message.put_off_no_more(NOW) && message.is_held());
        assert!(message.let_go());
        assert_eq!(message, Delivery::queued(NOW, None));
    }

    #[test]
    fn a_message_in_doubt_keeps_its_plan() {
        let mut message = put_off();
        message.doubt = Some(NOW);
        assert!(!message.put_off_no_more(NOW));
    }
}
