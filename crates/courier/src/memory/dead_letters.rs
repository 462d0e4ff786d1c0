//! Messages that ended badly: counted, and sent again many at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::delivery::LeftAlone;
use crate::message::{MessageId, Status};
use crate::port::{Again, DeadLetterOffice, DeadLetters, Moved, StoreError};
use crate::time::UnixMs;

#[async_trait]
impl DeadLetterOffice for MemoryStore {
    async fn dead_letters(&self, since: UnixMs) -> Result<Vec<DeadLetters>, StoreError> {
        Ok(self.state().dead_letters(since))
    }

    async fn retry_all(
        &self,
        again: Again,
        now: UnixMs,
    ) -> Result<Vec<Result<Moved, LeftAlone>>, StoreError> {
        let mut state = self.state();
        let mut due_at = again.first_due;
        let each = again.ids.into_iter().map(|id| {
            let done = state.retry_one(id, due_at, now);
            if done.is_ok() {
                due_at = due_at.plus(again.every);
            }
            done
        });
        Ok(each.collect())
    }
}

impl State {
    fn dead_letters(&self, since: UnixMs) -> Vec<DeadLetters> {
        let mut heaps = BTreeMap::new();
        for row in self.rows.values() {
            let (message, status) = (&row.message, row.message.delivery.status);
            let Some(ended_at) = row.ended_at.filter(|at| *at >= since) else {
                continue;
            };
            if !matches!(status, Status::Failed | Status::Unconfirmed) {
                continue;
            }
            let account = message.content.account.clone();
            let reason = message.delivery.reason;
            let key = (account.clone(), status.as_str(), reason.map(|r| r.as_str()));
            let heap = heaps.entry(key).or_insert(DeadLetters {
                account,
                status,
                reason,
                count: 0,
                last_at: ended_at,
                example: message.id,
            });
            heap.count += 1;
            if ended_at >= heap.last_at {
                heap.last_at = ended_at;
                heap.example = message.id;
            }
        }
        let mut heaps: Vec<DeadLetters> = heaps.into_values().collect();
        heaps.sort_by_key(|heap| Reverse(heap.count));
        heaps
    }

    fn retry_one(
        &mut self,
        id: MessageId,
        due_at: UnixMs,
        now: UnixMs,
    ) -> Result<Moved, LeftAlone> {
        let message = self.find(id).ok_or(LeftAlone::NotEnded)?;
        let hold = self.held(&message.content, due_at);
        let paused = self.is_paused(&message.content);
        let retried = self.change(id, now, |content, delivery| {
            delivery.retry_as_one_of_many(content, hold, due_at, now)?;
            if paused {
                delivery.hold();
            }
            Ok(())
        });
        retried.ok_or(LeftAlone::NotEnded)??;
        self.moved(id).ok_or(LeftAlone::NotEnded)
    }
}
