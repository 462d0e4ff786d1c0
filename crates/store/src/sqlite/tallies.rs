//! What becomes of the messages of broadcasts, counted as it happens: gathered in memory and written down once for each
//! transaction, or for each operation that may yet be undone alone.

use std::collections::BTreeMap;

use hongyan_courier::broadcast::BroadcastRow;
use hongyan_courier::message::Status;
use rusqlite::{Connection, params_from_iter};

use super::fault::Fault;

/// The statuses that are counted, in the order of their columns. What waits is what is left over.
const COUNTED: [Status; 7] = [
    Status::Sent,
    Status::Delivered,
    Status::Failed,
    Status::Suppressed,
    Status::Cancelled,
    Status::Expired,
    Status::Unconfirmed,
];

/// By broadcast: so many more messages in each counted status.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<i64, [i64; COUNTED.len()]>);

impl Tallies {
    /// A message is new, or stands elsewhere.
    pub(super) fn moved(&mut self, of: Option<BroadcastRow>, from: Option<Status>, to: Status) {
        let Some(of) = of.filter(|_| from != Some(to)) else {
            return;
        };
        self.add(of, from, -1);
        self.add(of, Some(to), 1);
    }

    fn add(&mut self, of: BroadcastRow, status: Option<Status>, more: i64) {
        if let Some(nth) = COUNTED.iter().position(|counted| Some(*counted) == status) {
            self.0.entry(of.id.number()).or_default()[nth] += more;
        }
    }

    /// Writes down what was gathered.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<(), Fault> {
        while let Some((broadcast, more)) = self.0.pop_first() {
            let sql = "UPDATE broadcast_progress SET sent = sent + ?2, delivered = delivered + ?3, failed = failed + ?4, \
                suppressed = suppressed + ?5, cancelled = cancelled + ?6, expired = expired + ?7, \
                unconfirmed = unconfirmed + ?8 WHERE broadcast = ?1";
            let values = std::iter::once(broadcast).chain(more);
            conn.prepare_cached(sql)?
                .execute(params_from_iter(values))?;
        }
        Ok(())
    }

    /// Forgets what was gathered in what is undone.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
