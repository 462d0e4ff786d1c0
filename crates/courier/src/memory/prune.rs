//! What is old is forgotten, a few at a time. From when on something is old is `retention`'s to say.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::keys::Known;
use super::state::{ReceiptKey, Row, State, receipt_key};
use crate::account::FlagSubject;
use crate::broadcast::{BroadcastId, Wish};
use crate::message::Status;
use crate::retention::Old;
use crate::time::UnixMs;

impl State {
    pub(super) fn prune(&mut self, what: Old, before: UnixMs, limit: usize) -> usize {
        match what {
            Old::Messages(status) => self.prune_messages(status, before, limit),
            Old::Receipts => {
                let orphans = self.orphans.iter().map(|(of, _)| receipt_key(of));
                let orphans: HashSet<ReceiptKey> = orphans.collect();
                let old = |key: &_, at: &UnixMs| *at < before && !orphans.contains(key);
                take_out(&mut self.receipts, limit, old)
            }
            Old::OrphanReceipts => {
                let old = self.orphans.iter().filter(|(_, at)| *at < before);
                let old = old.map(|(of, _)| receipt_key(of)).take(limit);
                let gone: HashSet<ReceiptKey> = old.collect();
                self.orphans
                    .retain(|(of, _)| !gone.contains(&receipt_key(of)));
                self.receipts.retain(|key, _| !gone.contains(key));
                gone.len()
            }
            Old::Nonces => self.nonces.prune(before, limit),
            Old::Keys => {
                let broadcasts = &self.broadcasts;
                let stands = |known: &Known| known.stands(broadcasts, before);
                self.keys.prune(limit, stands)
            }
            Old::Suppressions => {
                let mut left = limit;
                for known in self.recipients.values_mut() {
                    known.suppressions.retain(|one| {
                        keep(&mut left, one.expires_at.is_some_and(|at| at <= before))
                    });
                }
                limit - left
            }
            Old::Recipients => {
                let mut left = limit;
                self.recipients.retain(|_, known| {
                    keep(&mut left, known.idle_since().is_some_and(|at| at < before))
                });
                limit - left
            }
            Old::Flags => {
                let mut left = limit;
                self.flags.retain(|of| {
                    let of_recipient = of.flag.subject == FlagSubject::Recipient;
                    keep(&mut left, of_recipient && of.flag.at < before)
                });
                limit - left
            }
            Old::TemplateHistory => {
                let mut left = limit;
                for shelf in self.shelves.values_mut() {
                    let entries = &mut shelf.entries;
                    entries.retain(|entry| keep(&mut left, entry.at < before));
                }
                limit - left
            }
            Old::Broadcasts => self.prune_broadcasts(before, limit),
            Old::Events(state) => self.outbox.prune(state, before, limit),
        }
    }

    fn prune_messages(&mut self, status: Status, before: UnixMs, limit: usize) -> usize {
        let old = |row: &Row| {
            let ended = row.ended_at.is_some_and(|at| at < before);
            ended && row.message.delivery.status == status
        };
        let mut left = limit;
        self.rows.retain(|_, row| keep(&mut left, old(row)));
        if left < limit {
            let rows = &self.rows;
            self.msgids.retain(|_, id| rows.contains_key(id));
        }
        limit - left
    }

    fn prune_broadcasts(&mut self, before: UnixMs, limit: usize) -> usize {
        let mut left = limit;
        for kept in self.broadcasts.values_mut() {
            let one = &mut kept.broadcast;
            let forsaken = left > 0 && one.is_unstarted() && one.created_at < before;
            if forsaken && one.apply(Wish::Cancel, before) == Ok(true) {
                left -= 1;
            }
        }
        let mut gone: Vec<BroadcastId> = Vec::new();
        for (id, kept) in &mut self.broadcasts {
            let old = kept.broadcast.ended_at.is_some_and(|at| at < before);
            if left == 0 || !old || !kept.tended {
                continue;
            }
            let bad = kept.bad.len().min(left);
            kept.bad.drain(..bad);
            left -= bad;
            if left > 0 {
                left -= 1;
                gone.push(*id);
            }
        }
        for id in gone {
            self.broadcasts.remove(&id);
        }
        limit - left
    }
}

/// Whether something stays: it is not old, or no more of it may go.
fn keep(left: &mut usize, old: bool) -> bool {
    let goes = old && *left > 0;
    *left -= usize::from(goes);
    !goes
}

/// Removes at most `limit` entries that are old; answers how many.
pub(super) fn take_out<K: Eq + Hash, V>(
    entries: &mut HashMap<K, V>,
    limit: usize,
    old: impl Fn(&K, &V) -> bool,
) -> usize {
    let mut left = limit;
    entries.retain(|key, value| keep(&mut left, old(key, value)));
    limit - left
}
