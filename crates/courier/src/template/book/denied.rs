//! Ids that a list which was fetched for their sake did not have: asked about again, they need no other fetch.
//! Pure.

use std::collections::HashMap;
use std::time::Duration;

use crate::kind::ListOf;
use crate::time::UnixMs;

/// So long a list that did not have an id is fresh enough to refuse it by.
const HOLDS: Duration = Duration::from_secs(60);
/// The most ids that are remembered: as many as one batch can name.
const REMEMBERED_MAX: usize = 1_000;

/// What was looked for in vain, and when.
#[derive(Debug, Default)]
pub(super) struct Denied(HashMap<(ListOf, String), UnixMs>);

impl Denied {
    pub(super) fn add(&mut self, of: ListOf, id: &str, now: UnixMs) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, at| holds(*at, now));
        }
        if self.0.len() >= REMEMBERED_MAX {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.map(|key| self.0.remove(&key));
        }
        self.0.insert((of, id.to_owned()), now);
    }

    pub(super) fn has(&self, of: ListOf, id: &str, now: UnixMs) -> bool {
        let at = self.0.get(&(of, id.to_owned()));
        at.is_some_and(|at| holds(*at, now))
    }
}

fn holds(at: UnixMs, now: UnixMs) -> bool {
    now < at.plus(HOLDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    #[test]
    fn an_id_is_denied_for_a_minute() {
        let mut denied = Denied::default();
        denied.add(ListOf::Templates, "x", NOW);
        let last = NOW.plus(HOLDS).minus(Duration::from_millis(1));
        assert!(denied.has(ListOf::Templates, "x", last));
        assert!(!denied.has(ListOf::Templates, "x", NOW.plus(HOLDS)));
        assert!(!denied.has(ListOf::Subscriptions, "x", NOW));
    }

    #[test]
    fn there_is_room_for_so_many_and_the_oldest_make_it() {
        let mut denied = Denied::default();
        denied.add(ListOf::Templates, "first", NOW);
        let soon = NOW.plus(Duration::from_secs(1));
        for n in 0..REMEMBERED_MAX {
            denied.add(ListOf::Templates, &n.to_string(), soon);
        }
        assert_eq!(denied.0.len(), REMEMBERED_MAX);
        assert!(!denied.has(ListOf::Templates, "first", soon));
        assert!(denied.has(ListOf::Templates, "0", soon));
        let later = soon.plus(HOLDS);
        denied.add(ListOf::Templates, "x", later);
        assert_eq!(denied.0.len(), 1);
    }
}
