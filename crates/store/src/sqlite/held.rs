//! Whom something may be held back from: a set in memory, asked before the database is. It may name one too many and never
//! one too few, so it only grows while the process lives, and a rollback need not be heeded.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Openids by their [hash](super::codes::openid_hash).
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Most stores hold nothing back, and ask no more than this.
    any: AtomicBool,
    hashes: RwLock<HashSet<i64>>,
}

impl Held {
    /// Before the suppression is durable: whoever asks then is sent to the writer, which knows.
    pub(super) fn add(&self, hash: i64) {
        let mut hashes = self.hashes.write().unwrap_or_else(PoisonError::into_inner);
        hashes.insert(hash);
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn may_hold(&self, hash: impl FnOnce() -> i64) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        hashes.contains(&hash())
    }
}
