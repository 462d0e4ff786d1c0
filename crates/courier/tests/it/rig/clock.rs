//! A clock that shows tokio's time, so that a paused runtime is a paused world.

use std::sync::Arc;

use hongyan_courier::{Clock, UnixMs};
use tokio::time::Instant;

/// When the tests begin.
pub(crate) const NOW: UnixMs = UnixMs(1_795_400_000_000);

/// Wall time that moves as tokio's does.
#[derive(Debug)]
pub(crate) struct PausedClock {
    begun: Instant,
    shown: UnixMs,
}

impl PausedClock {
    pub(crate) fn start() -> Arc<Self> {
        Self::start_at(NOW)
    }

    /// For what depends on the hour.
    pub(crate) fn start_at(shown: UnixMs) -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            shown,
        })
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixMs {
        self.shown.plus(self.begun.elapsed())
    }
}
