//! The store on SQLite, for one process: one thread writes, many operations to a commit; reads have connections of their
//! own. Everything that decides about a message is in `courier::delivery`.

mod accounts;
mod base;
mod board;
mod checkpoint;
mod codes;
mod connect;
mod fault;
mod ledger;
mod lock;
mod open;
mod ops;
mod queue;
mod read;
mod recover;
mod rows;
mod schema;
mod watch;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use hongyan_courier::UnixMs;
use hongyan_courier::port::StoreError;
use tokio::sync::mpsc;

pub use open::{Migrated, OpenError, migrate};
pub use schema::LATEST as SCHEMA_VERSION;
pub use watch::Watch;

use board::Board;
use checkpoint::Checkpoints;
use fault::closed;
use ops::{Asked, Op};
use read::Readers;
use writer::{Call, Writer};

/// The most operations that wait for the writer. An accept that finds no room is refused; everything else waits.
const CALLS_WAITING: usize = 8_192;
/// The most messages that wait to be stored, since one accept may bring many.
const ROWS_WAITING: usize = 20_000;

/// A database file that this process owns.
pub struct SqliteStore {
    /// None once everybody who could ask is being dropped.
    calls: Option<mpsc::Sender<Call>>,
    waiting: Arc<AtomicUsize>,
    board: Arc<Board>,
    readers: Arc<Readers>,
    watch: Arc<dyn Watch>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens a database, or makes it; migrates it, and takes back what a former process was sending. Blocks.
    pub fn open(path: &Path, now: UnixMs) -> Result<Arc<Self>, OpenError> {
        Self::open_watched(path, now, Arc::new(()))
    }

    /// The same, measured.
    pub fn open_watched(
        path: &Path,
        now: UnixMs,
        watch: Arc<dyn Watch>,
    ) -> Result<Arc<Self>, OpenError> {
        let (lock, conn, _) = open::locked_and_migrated(path)?;
        let base = recover::recover(conn, now).map_err(|fault| open::of_fault(path, fault))?;
        let checkpoints =
            Checkpoints::start(path.to_owned()).map_err(|error| open::of_io(path, &error))?;
        let (calls, called) = mpsc::channel(CALLS_WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let board = Arc::new(Board::default());
        let writer = Writer {
            base,
            calls: called,
            waiting: Arc::clone(&waiting),
            board: Arc::clone(&board),
            checkpoints,
            watch: Arc::clone(&watch),
            stale: false,
        };
        let thread = std::thread::Builder::new()
            .name("hongyan-writer".to_owned())
            .spawn(move || {
                writer.run();
                // The database is closed by now, so another process may have it.
                drop(lock);
            })
            .map_err(|error| open::of_io(path, &error))?;
        Ok(Arc::new(Self {
            calls: Some(calls),
            waiting,
            board,
            readers: Readers::new(path.to_owned()),
            watch,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// Does what was asked before, empties the log into the database and closes it. Whatever is asked later is refused.
    pub async fn close(&self) {
        if let Some(calls) = &self.calls {
            // It fails only if the writer is gone already.
            let _ = calls.send(Call::Stop).await;
        }
        self.readers.close();
        let thread = self.thread().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// Has something done, however long the queue is.
    async fn ask<O: Op>(&self, op: O) -> Result<O::Answer, StoreError> {
        let began = Instant::now();
        let rows = op.rows();
        let (asked, answer) = Asked::new(op);
        self.waiting.fetch_add(rows, Ordering::Relaxed);
        let calls = self.calls.as_ref().ok_or_else(closed)?;
        if calls.send(Call::Do(Box::new(asked))).await.is_err() {
            return Err(closed());
        }
        let answer = answer.await.map_err(|_| closed())?;
        self.watch.query(O::NAME, began.elapsed());
        answer
    }

    /// Has something done, unless too much waits already.
    async fn ask_if_room<O: Op>(&self, op: O) -> Result<O::Answer, StoreError> {
        let began = Instant::now();
        let rows = op.rows();
        let waiting = self.waiting.fetch_add(rows, Ordering::Relaxed);
        let (asked, answer) = Asked::new(op);
        let sent = if waiting > 0 && waiting + rows > ROWS_WAITING {
            Err(StoreError::Overloaded)
        } else {
            let calls = self.calls.as_ref().ok_or_else(closed)?;
            calls
                .try_send(Call::Do(Box::new(asked)))
                .map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
                    mpsc::error::TrySendError::Closed(_) => closed(),
                })
        };
        if let Err(error) = sent {
            self.waiting.fetch_sub(rows, Ordering::Relaxed);
            return Err(error);
        }
        let answer = answer.await.map_err(|_| closed())?;
        self.watch.query(O::NAME, began.elapsed());
        answer
    }

    /// Runs a query beside the writer.
    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        query: impl FnOnce(&mut read::Reader) -> Result<T, fault::Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = self.readers.read(query).await;
        self.watch.query(name, began.elapsed());
        answer
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.calls = None;
        self.readers.close();
        let Some(thread) = self.thread().take() else {
            return;
        };
        // The last owner may be a message that the writer itself hands over; it ends by itself then.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}
