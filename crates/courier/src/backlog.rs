//! A recipient's backlog: one send at a time, so the others wait, each for its place in the line of its priority. Were
//! they all put off alike, every claim would write the whole line anew, at the cost of all accounts; were there one line
//! for all priorities, an urgent message would wait behind hundreds that are not. Pure; stores keep one for all claims.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::message::Priority;
use crate::port::BUSY_RECIPIENT_PAUSE;
use crate::time::UnixMs;

/// However long a recipient's line is, its messages are put off no further than this.
const PUT_OFF_MAX: Duration = Duration::from_secs(60);
/// How many recipients' lines are remembered before those that are over are forgotten.
const LINES_MAX: usize = 4_096;
/// How many more messages of a priority a claim looks at than it wants, in case their recipients are busy. What lies
/// behind them is found by the next claim, because those in front are put off.
pub const LOOK_PAST: usize = 128;

/// Until when messages of a recipient were put off, by however a store names a recipient of an account, and priority.
#[derive(Debug)]
pub struct Lines<R>(HashMap<(R, Priority), UnixMs>);

impl<R> Default for Lines<R> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<R: Eq + Hash> Lines<R> {
    /// When the next of a recipient's messages may be looked at again: behind those of its priority that were put off
    /// before it.
    pub fn after_the_last(&mut self, recipient: R, priority: Priority, now: UnixMs) -> UnixMs {
        if self.0.len() >= LINES_MAX {
            self.0.retain(|_, end| *end > now);
        }
        let last = self.0.entry((recipient, priority)).or_insert(now);
        let next = (*last).max(now).plus(BUSY_RECIPIENT_PAUSE);
        *last = next.min(now.plus(PUT_OFF_MAX));
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_waits_behind_the_one_before_and_none_for_ever() {
        let (mut lines, now) = (Lines::default(), UnixMs(1_000_000));
        for place in 1..=600 {
            let due = lines.after_the_last("o1", Priority::Bulk, now);
            assert_eq!(due, now.plus(BUSY_RECIPIENT_PAUSE * place));
        }
        assert_eq!(
            lines.after_the_last("o1", Priority::Bulk, now),
            now.plus(PUT_OFF_MAX)
        );
        let alone = lines.after_the_last("o2", Priority::Bulk, now);
        assert_eq!(alone, now.plus(BUSY_RECIPIENT_PAUSE));
        let urgent = lines.after_the_last("o1", Priority::High, now);
        assert_eq!(urgent, now.plus(BUSY_RECIPIENT_PAUSE));
        let later = now.plus(PUT_OFF_MAX * 2);
        let anew = lines.after_the_last("o1", Priority::Bulk, later);
        assert_eq!(anew, later.plus(BUSY_RECIPIENT_PAUSE), "the line is over");
    }
}
