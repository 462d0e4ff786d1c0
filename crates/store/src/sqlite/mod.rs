//! The store on SQLite, for one process: one thread writes, many operations to a commit; reads have connections of their
//! own. Everything that decides about a message is in `courier::delivery`.

mod accounts;
mod answers;
mod audit;
mod base;
mod board;
mod broadcasts;
mod checkpoint;
mod codes;
mod connect;
mod dead_letters;
mod depth;
mod fault;
mod forgetting;
mod held;
mod hooks;
mod ledger;
mod lock;
mod nonces;
mod open;
mod ops;
mod outbox;
mod queue;
mod quotas;
mod read;
mod recipients;
mod recover;
mod rows;
mod schema;
mod stamp;
mod tallies;
mod templates;
mod virtual_tokens;
mod watch;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hongyan_courier::UnixMs;
use hongyan_courier::port::StoreError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub use open::{Migrated, OpenError, migrate};
pub use read::Connections;
pub use schema::LATEST as SCHEMA_VERSION;
pub use stamp::{Stamp, restamp};
pub use watch::Watch;

use board::Board;
use checkpoint::Checkpoints;
use depth::Queued;
use fault::closed;
use ops::{Asked, Op};
use read::Readers;
use writer::{Call, Writer};

/// The most operations that wait for the writer. An accept that finds no room is refused; everything else waits.
const CALLS_WAITING: usize = 8_192;
/// The most messages that wait to be stored, since one accept may bring many.
const ROWS_WAITING: usize = 20_000;
/// How long a read may take, its wait for a turn included. A read holds back the log for as long as it runs.
const READ_PATIENCE: Duration = Duration::from_secs(3);

/// A database file that this process owns.
pub struct SqliteStore {
    /// None once everybody who could ask is being dropped.
    calls: Option<mpsc::Sender<Call>>,
    waiting: Arc<AtomicUsize>,
    board: Arc<Board>,
    queued: Arc<Queued>,
    readers: Arc<Readers>,
    watch: Arc<dyn Watch>,
    thread: Mutex<Option<JoinHandle<()>>>,
    telling: Mutex<Option<tokio::task::JoinHandle<()>>>,
    /// Whoever has the store ends it. If the writer is gone otherwise, it broke.
    ending: AtomicBool,
}

impl SqliteStore {
    /// Opens a database, or makes it; migrates it, and takes back what a former process was sending. Blocks.
    /// Answers are told in the runtime that it is called from.
    pub fn open(path: &Path, now: UnixMs) -> Result<Arc<Self>, OpenError> {
        Self::open_watched(path, now, Arc::new(()))
    }

    /// The same, measured.
    pub fn open_watched(
        path: &Path,
        now: UnixMs,
        watch: Arc<dyn Watch>,
    ) -> Result<Arc<Self>, OpenError> {
        Self::open_under(path, now, watch, None)
    }

    /// The same, under a profile: a database of another one is refused.
    pub fn open_under(
        path: &Path,
        now: UnixMs,
        watch: Arc<dyn Watch>,
        profile: Option<Stamp>,
    ) -> Result<Arc<Self>, OpenError> {
        let (lock, conn, _) = open::locked_and_migrated(path, profile)?;
        let file = lock.database().to_owned();
        let base = recover::recover(conn, now).map_err(|fault| open::of_fault(path, fault))?;
        let checkpoints =
            Checkpoints::start(file.clone()).map_err(|error| open::of_io(path, &error))?;
        let (calls, called) = mpsc::channel(CALLS_WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let board = Arc::new(Board::new(Arc::clone(&base.held)));
        let queued = base.depths.queued();
        let (answers, telling) = answers::start(&Handle::current());
        let writer = Writer {
            base,
            calls: called,
            waiting: Arc::clone(&waiting),
            board: Arc::clone(&board),
            answers,
            checkpoints,
            watch: Arc::clone(&watch),
            stale: false,
        };
        let thread = std::thread::Builder::new()
            .name("hongyan-writer".to_owned())
            .spawn(move || {
                // What a panic leaves half done is the writer's alone, and goes with it.
                if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                    tracing::error!(
                        "the store's writer broke; nothing can be stored until a restart"
                    );
                }
                // The database is closed by now, so another process may have it.
                drop(lock);
            })
            .map_err(|error| open::of_io(path, &error))?;
        Ok(Arc::new(Self {
            calls: Some(calls),
            waiting,
            board,
            queued,
            readers: Readers::new(file, READ_PATIENCE),
            watch,
            thread: Mutex::new(Some(thread)),
            telling: Mutex::new(Some(telling)),
            ending: AtomicBool::new(false),
        }))
    }

    /// Waits until nothing can be stored any more although nobody closed the store: its writer broke, and the process
    /// had better end, because only a new one can go on.
    pub async fn broken(&self) {
        if let Some(calls) = &self.calls {
            calls.closed().await;
        }
        if self.ending.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    /// Does what was asked before, empties the log into the database and closes it. Whatever is asked later is refused.
    pub async fn close(&self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(calls) = &self.calls {
            // It fails only if the writer is gone already.
            let _ = calls.send(Call::Stop).await;
        }
        self.readers.close();
        let thread = self.thread().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        let telling = self.telling.lock();
        let telling = telling.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(telling) = telling {
            // Everybody is told what became of it before the store counts as closed.
            let _ = telling.await;
        }
    }

    /// How its connections for reading are used at this moment. The one that writes is not among them.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.readers.connections()
    }

    /// Has something done, however long the queue is.
    async fn ask<O: Op>(&self, op: O) -> Result<O::Answer, StoreError> {
        let began = Instant::now();
        let rows = op.rows();
        let calls = self.calls.as_ref().ok_or_else(closed)?;
        // Counted only once there is room: a caller that hangs up while it waits must leave no trace.
        let room = calls.reserve().await.map_err(|_| self.gone())?;
        let (asked, answer) = Asked::new(op);
        self.waiting.fetch_add(rows, Ordering::Relaxed);
        room.send(Call::Do(Box::new(asked)));
        let answer = answer.await.map_err(|_| self.gone())?;
        self.watch.query(O::NAME, began.elapsed());
        answer
    }

    /// Has something done, unless too much waits already.
    async fn ask_if_room<O: Op>(&self, op: O) -> Result<O::Answer, StoreError> {
        let began = Instant::now();
        let rows = op.rows();
        let calls = self.calls.as_ref().ok_or_else(closed)?;
        let room = calls.try_reserve().map_err(|error| match error {
            TrySendError::Full(()) => StoreError::Overloaded,
            TrySendError::Closed(()) => self.gone(),
        })?;
        let waiting = self.waiting.fetch_add(rows, Ordering::Relaxed);
        if waiting > 0 && waiting + rows > ROWS_WAITING {
            self.waiting.fetch_sub(rows, Ordering::Relaxed);
            return Err(StoreError::Overloaded);
        }
        let (asked, answer) = Asked::new(op);
        room.send(Call::Do(Box::new(asked)));
        let answer = answer.await.map_err(|_| self.gone())?;
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

    /// Whether the writer still takes what it is asked.
    fn check_writer(&self) -> Result<(), StoreError> {
        match &self.calls {
            Some(calls) if !calls.is_closed() => Ok(()),
            _ => Err(self.gone()),
        }
    }

    /// Why the writer is not there.
    fn gone(&self) -> StoreError {
        if self.ending.load(Ordering::SeqCst) {
            closed()
        } else {
            StoreError::Unavailable("its writer broke; restart the gateway".to_owned())
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
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
