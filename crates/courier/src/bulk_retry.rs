//! Many messages sent again at once: picked by a filter, spread over time so that they come back at a rate. What could do
//! harm is left alone. The spreading is in the messages' own due times, so a restart changes nothing about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::LeftAlone;
use crate::dispatch::Slots;
use crate::message::{Message, MessageId};
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Again, DeadLetterOffice, Filter, Ledger, Nonce, StoreError};
use crate::time::{Clock, UnixMs};

/// So many messages are changed in one step of the store, which everybody else waits for.
const STEP: usize = 200;
/// After so long a call answers with what it did, and a cursor.
const PATIENCE: Duration = Duration::from_secs(5);
/// A caller brings the time back that a cursor holds; one beyond this would put messages off for good.
const AHEAD_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Where messages are sent again by the thousand.
pub struct BulkRetry {
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// The messages that ended badly.
    pub dead_letters: Arc<dyn DeadLetterOffice>,
    /// The node's sender slots.
    pub slots: Arc<Slots>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

/// Which messages, and how fast.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which; `before` says where an earlier call ended.
    pub filter: Filter,
    /// So long lies between two of them.
    pub every: Duration,
    /// At most so many are looked at.
    pub limit: usize,
    /// When the first is due, if an earlier call came so far.
    pub first_due: Option<UnixMs>,
}

/// What a call did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// So many are queued again.
    pub count: usize,
    /// So many of them wait until their broadcast, which is paused, goes on.
    pub held: usize,
    /// So many are not, and why.
    pub left_alone: BTreeMap<LeftAlone, usize>,
    /// When the last of those is due that are not held.
    pub last_due: Option<UnixMs>,
    /// Where the next call goes on, and when its first message is due; none if all were looked at.
    pub next: Option<(MessageId, UnixMs)>,
}

impl BulkRetry {
    /// Sends messages again, newest first. Each step is durable by itself: after an error, what was done stays done, and
    /// the same wish goes on with the rest.
    pub async fn retry(&self, wish: Wish, nonce: Option<Nonce>) -> Result<Retried, AcceptError> {
        let (began, now) = (Instant::now(), self.clock.now());
        if let Some(nonce) = nonce {
            self.ledger.spend(nonce, now).await?;
        }
        let mut done = Retried::default();
        let first_due = wish.first_due.unwrap_or(now);
        let mut due = first_due.clamp(now, now.plus(AHEAD_MAX));
        let (mut filter, mut left) = (wish.filter, wish.limit);
        loop {
            let page = self.ledger.page(filter.clone(), left.min(STEP)).await?;
            let Some(last) = page.last().map(|message| message.id) else {
                done.next = None;
                return Ok(done);
            };
            left -= page.len();
            filter.before = Some(last);
            due = self.take(page, (due, wish.every), &mut done).await?;
            done.next = Some((last, due));
            if left == 0 || began.elapsed() >= PATIENCE {
                return Ok(done);
            }
        }
    }

    /// One step. Answers when the next message is due.
    async fn take(
        &self,
        page: Vec<Message>,
        (first_due, every): (UnixMs, Duration),
        done: &mut Retried,
    ) -> Result<UnixMs, StoreError> {
        let now = self.clock.now();
        let again = Again {
            ids: page.iter().map(|message| message.id).collect(),
            first_due,
            every,
        };
        let retried = self.dead_letters.retry_all(again, now).await?;
        let mut due = first_due;
        for (message, retried) in page.into_iter().zip(retried) {
            let moved = match retried {
                Ok(moved) => moved,
                Err(why) => {
                    *done.left_alone.entry(why).or_default() += 1;
                    continue;
                }
            };
            done.count += 1;
            let account = message.content.account.clone();
            if moved.is_held() {
                done.held += 1;
            } else {
                done.last_due = Some(due);
                self.slots.waiting(&account, moved.due_at, now);
            }
            due = due.plus(every);
            self.observer.observe(&Event::Moved {
                id: message.id,
                account,
                status: moved.status,
                reason: moved.reason,
                msgid: moved.msgid,
            });
        }
        Ok(due)
    }
}
