//! Whether a place that is watched answers: told once when it does not, and once when it does again.
//! It must not know what is kept there.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Fault;

/// A place's state when it was last asked whether something changed.
pub struct Outage {
    place: &'static str,
    away: AtomicBool,
}

impl Outage {
    /// `place` is how the place is called in the log.
    #[must_use]
    pub const fn new(place: &'static str) -> Self {
        Self {
            place,
            away: AtomicBool::new(false),
        }
    }

    /// Takes note of what asking came to. A refusal is an answer like any other.
    pub fn note<T>(&self, asked: &Result<T, Fault>) {
        let place = self.place;
        match asked {
            Err(Fault::Away(why)) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "{place} does not say whether something changed, and what was read goes on: {why}"
                    );
                }
            }
            _ => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("{place} answers again");
                }
            }
        }
    }
}
