//! Reads, over a few connections of their own, never over the writer. A read that begins after an answer sees what was
//! answered, because the answer comes after the commit.

pub(super) mod find;
pub(super) mod page;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_courier::port::StoreError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::accounts::Accounts;
use super::connect;
use super::fault::{Fault, closed};

/// The most reads at a time; the others wait.
const READERS: usize = 4;

/// A connection that reads, and what it remembers.
pub(super) struct Reader {
    pub(super) conn: Connection,
    pub(super) accounts: Accounts,
}

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    free: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            idle: Mutex::default(),
            free: Semaphore::new(READERS),
        })
    }

    /// Runs a query on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&mut Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.free.acquire().await.map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let mut reader = readers.take()?;
            let answer = query(&mut reader)?;
            readers.idle().push(reader);
            Ok::<_, Fault>(answer)
        });
        match done.await {
            Ok(answer) => answer.map_err(StoreError::from),
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    /// Ends reading: what waits is refused, the connections are closed.
    pub(super) fn close(&self) {
        self.free.close();
        self.idle().clear();
    }

    fn take(&self) -> Result<Reader, Fault> {
        if let Some(reader) = self.idle().pop() {
            return Ok(reader);
        }
        Ok(Reader {
            conn: connect::for_reading(&self.path)?,
            accounts: Accounts::default(),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
