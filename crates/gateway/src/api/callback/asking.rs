//! Whoever replies is asked at once although the event lies on the spool: what lies there must not be passed on to it a
//! second time. Kept in memory alone: after a restart it may be told once more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

/// Half a SHA-256 of an account and a plain body, in which WeChat says who, when and which.
type Mark = [u8; 16];

/// What was asked of those who reply, until the spool is empty.
#[derive(Debug, Default)]
pub struct Asking(Mutex<HashMap<Mark, State>>);

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    done: bool,
}

/// How far whoever replies was told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Not,
    UnderWay,
    Done,
}

impl Asking {
    /// To be called before the event is on the spool, so that it cannot be taken from there meanwhile.
    pub(super) fn begin(self: &Arc<Self>, account: &str, body: &[u8]) -> Asked {
        let mark = mark(account, body);
        self.known().entry(mark).or_default().under_way += 1;
        Asked {
            asking: Arc::clone(self),
            mark,
            done: false,
        }
    }

    pub(super) fn told(&self, account: &str, body: &[u8]) -> Told {
        match self.known().get(&mark(account, body)) {
            None => Told::Not,
            Some(state) if state.under_way > 0 => Told::UnderWay,
            Some(_) => Told::Done,
        }
    }

    /// Nothing lies on the spool any more.
    pub(super) fn forget(&self) {
        self.known().retain(|_, state| state.under_way > 0);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Mark, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody is being asked. If that comes to nothing, the event is passed on later.
pub(super) struct Asked {
    asking: Arc<Asking>,
    mark: Mark,
    done: bool,
}

impl Asked {
    /// It was told, or has the event in its own line.
    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut known = self.asking.known();
        let Some(state) = known.get_mut(&self.mark) else {
            return;
        };
        state.under_way -= 1;
        state.done |= self.done;
        if state.under_way == 0 && !state.done {
            known.remove(&self.mark);
        }
    }
}

fn mark(account: &str, body: &[u8]) -> Mark {
    let whole = Sha256::new()
        .chain_update(account)
        .chain_update([0])
        .chain_update(body)
        .finalize();
    std::array::from_fn(|nth| whole[nth])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again_until_the_spool_is_empty() {
        let asking = Arc::new(Asking::default());
        let told = || asking.told("clinic", b"hi");
        let first = asking.begin("clinic", b"hi");
        let second = asking.begin("clinic", b"hi");
        first.done();
        asking.forget();
        assert_eq!(told(), Told::UnderWay);
        drop(second);
        assert_eq!(told(), Told::Done);
        assert_eq!(asking.told("school", b"hi"), Told::Not);
        asking.forget();
        assert_eq!(told(), Told::Not);
        // Whoever hangs up leaves it to be told.
        drop(asking.begin("clinic", b"hi"));
        assert_eq!(told(), Told::Not);
    }
}
