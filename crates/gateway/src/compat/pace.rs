//! Slows down whoever comes with a token or a secret that is no good. SDKs fetch a token and call again when they are told
//! that theirs is bad, some of them without end: so they are told so a few times, later and later, and then to go slower,
//! which ends it. It must not know what is good.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// How long a bad token, and whoever brought one, is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);
/// The most that are remembered; beyond it the oldest are forgotten.
const REMEMBERED_MAX: u64 = 50_000;
/// The longest wait. SDKs give up after 5 s, and then nobody learns anything.
const WAIT_MAX: Duration = Duration::from_secs(3);
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// More callers than this do not wait: they are told to go slower at once.
const WAITING_MAX: usize = 256;

/// What somebody comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// A token that was good once: many programs may still hold it.
    Stale,
    /// A token, or a secret, that never was.
    Forged,
}

impl Bad {
    /// How often it is answered at once, and how often at all.
    fn bounds(self) -> (u32, u32) {
        match self {
            Self::Stale => (1, 128),
            Self::Forged => (1, 4),
        }
    }
}

/// Who came with something bad lately.
pub struct Pace {
    seen: Cache<[u8; 16], Arc<AtomicU32>>,
    waiting: Semaphore,
}

impl Default for Pace {
    fn default() -> Self {
        let seen = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_live(REMEMBERED)
            .build();
        Self {
            seen,
            waiting: Semaphore::new(WAITING_MAX),
        }
    }
}

impl Pace {
    /// Waits as long as whoever brings this must; answers whether it may be told what is wrong. A forged one counts against
    /// its `peer` as well, since each may be another.
    pub async fn slow(&self, what: &str, bad: Bad, peer: Option<IpAddr>) -> bool {
        let (at_once, at_all) = bad.bounds();
        let address = address(peer);
        let times = match bad {
            // Programs elsewhere still hold the same one, and are told as well.
            Bad::Stale => self.count(&[b"stale\n", address.as_bytes(), b"\n", what.as_bytes()]),
            Bad::Forged => {
                let times = self.count(&[b"what\n", what.as_bytes()]);
                times.max(self.count(&[b"peer\n", address.as_bytes()]))
            }
        };
        if times <= at_once {
            return true;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return false;
        };
        let doubled = WAIT_FIRST.saturating_mul(1 << (times - at_once - 1).min(8));
        tokio::time::sleep(doubled.min(WAIT_MAX)).await;
        times <= at_all
    }

    /// Whoever comes with a good secret is on the right way: others at the same address may still hold tokens that died with
    /// a former one, and are to be told so.
    pub fn forgive(&self, peer: Option<IpAddr>) {
        let peer = address(peer);
        self.seen.invalidate(&digest(&[b"peer\n", peer.as_bytes()]));
    }

    fn count(&self, key: &[&[u8]]) -> u32 {
        let count = self.seen.get_with(digest(key), Arc::default);
        count.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

fn address(peer: Option<IpAddr>) -> String {
    peer.map_or_else(String::new, |peer| peer.to_string())
}

fn digest(key: &[&[u8]]) -> [u8; 16] {
    let parts = key.iter();
    let digest = parts.fold(Sha256::new(), |hash, part| hash.chain_update(part));
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    async fn waits(pace: &Pace, what: &str, bad: Bad) -> (u128, bool) {
        let began = tokio::time::Instant::now();
        let told = pace.slow(what, bad, PEER).await;
        (began.elapsed().as_millis(), told)
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_was_good_is_answered_later_and_later_and_then_no_more() {
        let pace = Pace::default();
        let mut seen = Vec::new();
        for nth in 0..14 {
            seen.push(waits(&pace, &format!("token {nth}"), Bad::Forged).await);
        }
        let waited: Vec<u128> = seen.iter().map(|(millis, _)| *millis).collect();
        assert_eq!(waited[..6], [0, 200, 400, 800, 1600, 3000]);
        assert!(waited[6..].iter().all(|millis| *millis == 3000));
        let told = seen.iter().filter(|(_, told)| *told).count();
        assert_eq!(told, 4);
        // Somebody else is not kept waiting for that.
        let other = Some(IpAddr::from([10, 0, 0, 1]));
        assert!(pace.slow("another", Bad::Forged, other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_fetches_a_good_one_makes_room_for_its_neighbours() {
        let pace = Pace::default();
        for nth in 0..20 {
            let died_with_its_secret = format!("token {nth}");
            assert_eq!(
                waits(&pace, &died_with_its_secret, Bad::Forged).await,
                (0, true)
            );
            pace.forgive(PEER);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_many_programs_still_hold_is_answered_to_all_of_them() {
        let pace = Pace::default();
        assert_eq!(waits(&pace, "shared", Bad::Stale).await, (0, true));
        for nth in 0..16 {
            let millis = (200 << nth.min(5)).min(3_000);
            assert_eq!(waits(&pace, "shared", Bad::Stale).await, (millis, true));
        }
        assert_eq!(waits(&pace, "another", Bad::Stale).await, (0, true));
        let elsewhere = Some(IpAddr::from([10, 0, 0, 1]));
        let began = tokio::time::Instant::now();
        assert!(pace.slow("shared", Bad::Stale, elsewhere).await);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_are_kept_waiting() {
        let pace = Arc::new(Pace::default());
        for _ in 0..3 {
            pace.slow("x", Bad::Forged, PEER).await;
        }
        let held = pace.waiting.try_acquire_many(WAITING_MAX as u32).unwrap();
        assert_eq!(waits(&pace, "x", Bad::Forged).await, (0, false));
        drop(held);
        assert!(waits(&pace, "x", Bad::Forged).await.0 > 0);
    }
}
