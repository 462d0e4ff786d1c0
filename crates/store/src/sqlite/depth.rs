//! How many messages wait, counted as they move: to count the rows would mean to walk them, and a year of scheduled
//! messages may be among them. Read once, when the database is opened; after that the writer adds what it commits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hongyan_courier::message::{AccountName, Priority, Status};
use rusqlite::Connection;

use super::accounts::Accounts;
use super::codes;
use super::fault::Fault;

/// By account, and in the order of [`Priority::ALL`].
pub(super) type Counts = HashMap<AccountName, [i64; Priority::ALL.len()]>;

/// What is committed, for whoever reads.
#[derive(Debug, Default)]
pub(super) struct Queued(Mutex<Counts>);

impl Queued {
    pub(super) fn counts(&self) -> Counts {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's side: what its transaction adds.
#[derive(Debug, Default)]
pub(super) struct Depths {
    queued: Arc<Queued>,
    moved: Counts,
}

impl Depths {
    /// Counts the rows.
    pub(super) fn load(conn: &Connection, accounts: &mut Accounts) -> Result<Self, Fault> {
        let sql = "SELECT account, priority, count(*) FROM messages WHERE status = 0 GROUP BY account, priority";
        let mut count = conn.prepare(sql)?;
        let mut found = count.query([])?;
        let mut counts = Counts::new();
        while let Some(row) = found.next()? {
            let account = accounts.name(conn, row.get(0)?)?;
            let priority = codes::priority(row.get(1)?)?;
            counts.entry(account).or_default()[priority as usize] = row.get(2)?;
        }
        Ok(Self {
            queued: Arc::new(Queued(Mutex::new(counts))),
            moved: Counts::new(),
        })
    }

    pub(super) fn queued(&self) -> Arc<Queued> {
        Arc::clone(&self.queued)
    }

    /// A message is new, or stands elsewhere.
    pub(super) fn moved(
        &mut self,
        account: &AccountName,
        priority: Priority,
        from: Option<Status>,
        to: Status,
    ) {
        let more = i64::from(to == Status::Queued) - i64::from(from == Some(Status::Queued));
        if more == 0 {
            return;
        }
        match self.moved.get_mut(account) {
            Some(counts) => counts[priority as usize] += more,
            None => {
                let mut counts = [0; Priority::ALL.len()];
                counts[priority as usize] = more;
                self.moved.insert(account.clone(), counts);
            }
        }
    }

    /// What the transaction has added until now, to go back to if its next operation is undone alone.
    pub(super) fn mark(&self) -> Counts {
        self.moved.clone()
    }

    pub(super) fn go_back(&mut self, mark: Counts) {
        self.moved = mark;
    }

    /// It is committed.
    pub(super) fn publish(&mut self) {
        if self.moved.is_empty() {
            return;
        }
        let mut queued = self.queued.locked();
        for (account, more) in self.moved.drain() {
            let counts = queued.entry(account).or_default();
            for (count, more) in counts.iter_mut().zip(more) {
                *count += more;
            }
        }
    }

    /// It is undone.
    pub(super) fn forget(&mut self) {
        self.moved.clear();
    }
}
