//! The nonces that this process has seen since it started: of reads, and of writes that were refused. Those of other writes
//! are kept in the store, in the transaction that makes the change.

use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::auth::credentials::SKEW_SECONDS;
use crate::clock::SET_BACK;

/// About 20 MB when full. Beyond it the oldest are forgotten first: at worst a read is answered twice, or a refused
/// write let in after all, for whoever has both listened in and outrun 200 signed reads a second for fifteen minutes.
const NONCES_MAX: u64 = 200_000;

/// A timestamp may be 300 s ahead and then stays good until it is 300 s old; longer if the wall is set back meanwhile.
const REMEMBERED: Duration =
    Duration::from_secs(2 * SKEW_SECONDS.unsigned_abs() + SET_BACK.as_secs());

#[derive(Debug)]
pub struct SeenNonces(Cache<[u8; 16], ()>);

impl Default for SeenNonces {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(NONCES_MAX)
            .time_to_live(REMEMBERED)
            // The default policy may refuse to admit a newcomer, which is the one thing needed here.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self(cache)
    }
}

impl SeenNonces {
    /// True the first time. Call it with verified requests alone, or anyone could fill it.
    pub fn first_sight(&self, client: &str, nonce: &str) -> bool {
        self.0.entry(digest(client, nonce)).or_insert(()).is_fresh()
    }

    /// Whether it was seen.
    pub fn knows(&self, client: &str, nonce: &str) -> bool {
        self.0.contains_key(&digest(client, nonce))
    }
}

/// Half a SHA-256 keeps entries small and of one size. A client id has no line end, so no two pairs read alike.
fn digest(client: &str, nonce: &str) -> [u8; 16] {
    let hash = Sha256::new()
        .chain_update(client)
        .chain_update(b"\n")
        .chain_update(nonce)
        .finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_new_once_for_each_client() {
        let seen = SeenNonces::default();
        assert!(!seen.knows("a", "n1"));
        assert!(seen.first_sight("a", "n1") && seen.knows("a", "n1"));
        assert!(!seen.first_sight("a", "n1"));
        assert!(seen.first_sight("a", "n2") && seen.first_sight("b", "n1"));
    }
}
