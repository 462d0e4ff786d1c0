//! What becomes of an event after a try: a pure function of what came of it, of its tries and their time.

use std::time::Duration;

use super::Posted;
use crate::next::Roll;
use crate::time::UnixMs;

/// The pauses after the first try, the second, and so on. Some sixteen hours in all: a night and a morning.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(4 * 3_600),
    Duration::from_secs(8 * 3_600),
];

/// An event is tried so often and then given up.
pub const TRIES_MAX: u32 = PAUSES.len() as u32 + 1;

/// An event that did not get through for so long is given up, tried or not: its webhook may have been away all the time.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);

/// The longest that a webhook can ask to be left alone.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// The webhook says that it is gone for good.
const GONE: u16 = 410;

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its webhook took it.
    Delivered,
    /// It is posted again then.
    Again {
        /// When.
        at: UnixMs,
        /// What came of this try.
        why: String,
    },
    /// It is given up.
    GivenUp {
        /// What came of the last try.
        why: String,
    },
    /// Its webhook says that it is gone for good: the webhook is switched off, and the event waits until it is resumed.
    Gone {
        /// What came of this try.
        why: String,
    },
}

/// What becomes of an event after `tries` tries since `begun_at`, of which the last came to `posted`.
#[must_use]
pub fn judge(begun_at: UnixMs, tries: u32, posted: &Posted, now: UnixMs, roll: Roll) -> Verdict {
    let (why, wished) = match posted {
        Posted::Taken => return Verdict::Delivered,
        Posted::Refused { status, .. } if *status == GONE => {
            let why = format!("HTTP {GONE}: the webhook says that it is gone");
            return Verdict::Gone { why };
        }
        Posted::Refused {
            status,
            retry_after,
        } => (format!("HTTP {status}"), *retry_after),
        Posted::Unreached(why) => (why.clone(), None),
        Posted::Unpostable(why) => return Verdict::GivenUp { why: why.clone() },
    };
    let nth = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(pause) = PAUSES.get(nth) else {
        return Verdict::GivenUp { why };
    };
    let wished = wished.unwrap_or_default().min(RETRY_AFTER_MAX);
    // A fifth of jitter, so that what failed together does not come back together.
    let at = now.plus(pause.mul_f64(0.9 + 0.2 * roll.0).max(wished));
    if at > begun_at.plus(GIVE_UP_AFTER) {
        return Verdict::GivenUp { why };
    }
    Verdict::Again { at, why }
}
