//! What time alone does to a message that waits: it expires, its window closes, its receipt fails to come.

use super::Delivery;
use crate::message::{Kind, Reason, Status};
use crate::time::UnixMs;

impl Delivery {
    /// Ends a waiting message whose `expires_at` has passed. Answers whether it did.
    pub fn expire(&mut self, now: UnixMs) -> bool {
        let due = self.status == Status::Queued && self.expired(now);
        if due {
            self.finish(Status::Expired, None);
        }
        due
    }

    /// Ends a waiting message in doubt that may not be repeated any more. Answers whether it did.
    pub fn close_window(&mut self, kind: Kind, now: UnixMs) -> bool {
        let due = self.status == Status::Queued && self.window_closed(kind, now);
        if due {
            self.end(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
        }
        due
    }

    /// Ends an accepted message whose receipt is overdue. Answers whether it did.
    pub fn miss_receipt(&mut self, now: UnixMs) -> bool {
        let due = self.status == Status::Sent && self.receipt_due.is_some_and(|end| now >= end);
        if due {
            self.end(Status::Unconfirmed, Some(Reason::ReceiptMissing));
        }
        due
    }
}
