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
