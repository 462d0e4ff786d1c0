//! Reads, over a few connections of their own, never over the writer. A read that begins after an answer sees what was
//! answered, because the answer comes after the commit. A read that takes too long, or that nobody waits for any more,
//! is ended: for as long as it runs, the log cannot begin anew.

pub(super) mod audit;
pub(super) mod broadcast;
pub(super) mod dead_letters;
pub(super) mod events;
pub(super) mod find;
pub(super) mod page;
pub(super) mod quota;
pub(super) mod recipient;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hongyan_courier::port::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::accounts::Accounts;
use super::connect;
use super::fault::{Fault, closed};

/// The most reads at a time; the others wait.
const READERS: usize = 4;
/// After so many steps of SQLite's machine it is asked whether a read should go on; some tens of microseconds.
const STEPS: i32 = 1_000;

/// The connections for reading, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At a query.
    pub busy: usize,
    /// Open, and free for the next query.
    pub idle: usize,
}

/// A connection that reads, and what it remembers.
pub(super) struct Reader {
    pub(super) conn: Connection,
    pub(super) accounts: Accounts,
}

pub(super) struct Readers {
    path: PathBuf,
    /// At most as many as may read at a time.
    idle: Mutex<Vec<Reader>>,
    free: Arc<Semaphore>,
    patience: Duration,
}

/// Until when a read may go on.
struct Bounds {
    deadline: Instant,
    /// Gone once the caller hung up.
    caller: Weak<()>,
    free: Arc<Semaphore>,
}

impl Bounds {
    fn passed(&self) -> bool {
        self.caller.strong_count() == 0 || self.free.is_closed() || Instant::now() >= self.deadline
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            path,
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(READERS)),
            patience,
        })
    }

    /// Runs a query on a thread that may block. `Overloaded` if it, or its wait for a turn, takes too long.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&mut Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let caller = Arc::new(());
        let bounds = Bounds {
            deadline: Instant::now() + self.patience,
            caller: Arc::downgrade(&caller),
            free: Arc::clone(&self.free),
        };
        let turn = Arc::clone(&self.free).acquire_owned();
        let turn = tokio::time::timeout(self.patience, turn).await;
        let turn = turn
            .map_err(|_| StoreError::Overloaded)?
            .map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            // It ends with the query, not with whoever asked.
            let _turn = turn;
            readers.run(query, bounds)
        });
        match done.await {
            Ok(answer) => answer,
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    fn run<T>(
        &self,
        query: impl FnOnce(&mut Reader) -> Result<T, Fault>,
        bounds: Bounds,
    ) -> Result<T, StoreError> {
        let mut reader = self.take()?;
        let conn = &reader.conn;
        conn.progress_handler(STEPS, Some(move || bounds.passed()))
            .map_err(Fault::from)?;
        // After a fault the connection is dropped: it may be what is broken.
        let answer = query(&mut reader)?;
        reader
            .conn
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(Fault::from)?;
        self.give_back(reader);
        Ok(answer)
    }

    /// Ends reading: what waits is refused, what runs is ended, the connections are closed.
    pub(super) fn close(&self) {
        self.free.close();
        self.idle().clear();
    }

    pub(super) fn connections(&self) -> Connections {
        Connections {
            busy: READERS.saturating_sub(self.free.available_permits()),
            idle: self.idle().len(),
        }
    }

    fn take(&self) -> Result<Reader, StoreError> {
        if self.free.is_closed() {
            return Err(closed());
        }
        if let Some(reader) = self.idle().pop() {
            return Ok(reader);
        }
        Ok(Reader {
            conn: connect::for_reading(&self.path).map_err(Fault::from)?,
            accounts: Accounts::default(),
        })
    }

    fn give_back(&self, reader: Reader) {
        let mut idle = self.idle();
        // Asked under the lock, so that `close` misses none.
        if !self.free.is_closed() {
            idle.push(reader);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
