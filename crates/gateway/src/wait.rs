//! Callers that wait for their message (`?wait=`): woken when it is sent or has ended.
//! It must not answer from memory: whoever is woken reads the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hongyan_courier::message::{Message, MessageId, Status};
use hongyan_courier::observer::{Event, Observer};
use hongyan_courier::port::{Ledger, StoreError};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// More callers than this do not wait: they are answered at once, as if their time were up.
const WAITING_MAX: usize = 10_000;
/// How long a caller relies on being woken; another node's events do not come here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who waits for which message.
#[derive(Debug, Default)]
pub struct Waiters {
    waiting: Mutex<HashMap<MessageId, Seat>>,
}

#[derive(Debug, Default)]
struct Seat {
    notify: Arc<Notify>,
    callers: usize,
}

/// A caller's place; given up when dropped.
struct Place<'a> {
    waiters: &'a Waiters,
    id: MessageId,
    notify: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting();
        if let Some(seat) = waiting.get_mut(&self.id) {
            seat.callers -= 1;
            if seat.callers == 0 {
                waiting.remove(&self.id);
            }
        }
    }
}

/// Whether a waiting caller has what it waits for.
fn settled(status: Status) -> bool {
    status == Status::Sent || status.ended()
}

impl Observer for Waiters {
    fn observe(&self, event: &Event) {
        if let Event::Moved { id, status, .. } = event
            && settled(*status)
            && let Some(seat) = self.waiting().get(id)
        {
            seat.notify.notify_waiters();
        }
    }
}

impl Waiters {
    /// The message, as soon as it is sent or has ended; none if that takes longer than `patience`.
    pub async fn settled(
        &self,
        ledger: &dyn Ledger,
        id: MessageId,
        patience: Duration,
        stop: &CancellationToken,
    ) -> Result<Option<Message>, StoreError> {
        let until = Instant::now() + patience;
        let Some(place) = self.sit(id) else {
            return Ok(None);
        };
        loop {
            // Before the look, so that what happens between look and wait is not missed.
            let woken = place.notify.notified();
            let found = ledger.find(id).await?;
            if let Some(message) = found
                && settled(message.delivery.status)
            {
                return Ok(Some(message));
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            let look_again = until.min(Instant::now() + LOOK_AGAIN);
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                _ = timeout_at(look_again, woken) => {}
            }
        }
    }

    fn sit(&self, id: MessageId) -> Option<Place<'_>> {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let seat = waiting.entry(id).or_default();
        seat.callers += 1;
        Some(Place {
            waiters: self,
            id,
            notify: Arc::clone(&seat.notify),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<MessageId, Seat>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
