//! An outage asked for from outside: how long the host is to be away, and the word to the accept loop.
//! It knows no sockets.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Outage {
    asked: Mutex<Option<Duration>>,
    begun: Notify,
}

impl Outage {
    /// Asked for twice before it begins, it is one outage of the later length.
    pub(crate) fn begin(&self, length: Duration) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(length);
        self.begun.notify_one();
    }

    /// Waits until one is asked for, and takes its length.
    pub(crate) async fn begins(&self) -> Duration {
        loop {
            self.begun.notified().await;
            let asked = self
                .asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(length) = asked {
                return length;
            }
        }
    }
}
