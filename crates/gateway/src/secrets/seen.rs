//! What a source read last, so that it can tell a change from what is already known.
//! It must not hold a secret: a hash or another mark of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The marks of what was read last, by place.
pub struct Seen<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Seen<T> {
    /// Takes note of what was read.
    pub fn note(&self, place: &str, mark: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(place.to_owned(), mark);
    }

    /// The mark of what was read last. Does not return where nothing was: that cannot change.
    pub async fn last(&self, place: &str) -> T {
        let known = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(place).cloned()
        };
        match known {
            Some(mark) => mark,
            None => std::future::pending().await,
        }
    }
}
