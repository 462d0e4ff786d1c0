//! How fast a broadcast is, and when it will be over: an estimate by what happened since it was last started or resumed.
//! It must not know what holds an account back.

use std::time::Duration;

use super::Broadcast;
use crate::time::UnixMs;

/// Before this a pace would say more of the start than of what follows.
const PACE_AFTER: Duration = Duration::from_secs(1);

impl Broadcast {
    /// Messages settled a second, since it has been running.
    #[must_use]
    pub fn pace(&self, now: UnixMs) -> Option<f64> {
        let took = now.since(self.running_since?);
        let settled = self.progress.settled().saturating_sub(self.settled_before);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let pace = settled as f64 / took.as_secs_f64();
        (settled > 0 && took >= PACE_AFTER).then_some(pace)
    }

    /// When its last message will have been settled, if it goes on like this: not later than it may.
    #[must_use]
    pub fn forecast(&self, now: UnixMs) -> Option<UnixMs> {
        let left = self.rows_left() - self.rows_expired(now) + self.progress.waiting();
        if !self.upload.complete || left == 0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = left as f64 / self.pace(now)?;
        let end = now.plus(Duration::try_from_secs_f64(seconds).ok()?);
        let last = self.order.expires_at.map(|at| at.max(now));
        Some(last.map_or(end, |last| end.min(last)))
    }
}
