//! What was put down for a consumer lately, so that it is not told twice: WeChat delivers a push up to three times, and
//! whoever recorded one may post it again for as long as its timestamp is believed. Kept in memory alone: after a restart
//! a consumer may be told once more.

use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

/// Twice as long as a push's timestamp is believed, since that may be so far ahead.
const REMEMBERED: Duration = Duration::from_secs(2 * 300);
/// So many are remembered; of more, the last.
const REMEMBERED_MAX: u64 = 65_536;

/// Half a SHA-256 of a plain body, in which WeChat says who, when and which.
type Mark = [u8; 16];

/// Clones remember together.
#[derive(Clone, Debug)]
pub struct Lately(Cache<Mark, ()>);

impl Default for Lately {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(REMEMBERED);
        Self(cache.build())
    }
}

impl Lately {
    pub(super) fn has(&self, body: &[u8]) -> bool {
        self.0.contains_key(&mark(body))
    }

    /// To be called when it is durable, never before: what is held to be a repeat is lost if the first was not kept.
    pub(super) fn keep(&self, body: &[u8]) {
        self.0.insert(mark(body), ());
    }
}

fn mark(body: &[u8]) -> Mark {
    let whole: [u8; 32] = Sha256::digest(body).into();
    std::array::from_fn(|nth| whole[nth])
}
