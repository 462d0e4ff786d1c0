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
}

impl PausedClock {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
        })
    }
}

impl Clock for PausedClock {
    fn now(&self) -> UnixMs {
        NOW.plus(self.begun.elapsed())
    }
}
