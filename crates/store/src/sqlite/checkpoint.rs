//! Moves what is in the write-ahead log into the database, beside the writer as far as possible, so that accepting does
//! not stall. Only a log that outgrows its bound makes the writer itself wait for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::connect;

/// How many transactions pass between two looks at the log.
const LOOK_EVERY: u32 = 64;
/// A log of so many pages is worth moving; about 8 MiB.
const WORTH_PAGES: i64 = (8 << 20) / connect::PAGE_SIZE;
/// At so many pages the writer waits until the log is moved, so that it can begin anew; about 64 MiB.
const BOUND_PAGES: i64 = (64 << 20) / connect::PAGE_SIZE;

/// The writer's side.
pub(super) struct Checkpoints {
    poke: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log when last looked at.
    log_pages: Arc<AtomicI64>,
    commits: u32,
}

impl Checkpoints {
    /// Starts the thread that moves the log.
    pub(super) fn start(path: PathBuf) -> std::io::Result<Self> {
        let (poke, poked) = sync_channel(1);
        let log_pages = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&log_pages);
        let thread = std::thread::Builder::new()
            .name("hongyan-checkpoint".to_owned())
            .spawn(move || move_along(&path, &poked, &seen))?;
        Ok(Self {
            poke: Some(poke),
            thread: Some(thread),
            log_pages,
            commits: 0,
        })
    }

    /// To be called after each commit, outside of a transaction.
    pub(super) fn after_commit(&mut self, conn: &Connection) {
        self.commits += 1;
        if !self.commits.is_multiple_of(LOOK_EVERY) {
            return;
        }
        if self.log_pages.load(Ordering::Relaxed) >= BOUND_PAGES {
            self.log_pages.store(0, Ordering::Relaxed);
            // Most of it was moved beside the writer already. Not truncated: a file that is there already is synced faster.
            checkpoint(conn, "RESTART");
        }
        if let Some(poke) = &self.poke {
            // If the thread is still at it, it will be poked again.
            let _ = poke.try_send(());
        }
    }

    /// Ends the thread and empties the log.
    pub(super) fn finish(&mut self, conn: &Connection) {
        self.poke = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        checkpoint(conn, "TRUNCATE");
    }
}

fn move_along(path: &std::path::Path, poked: &Receiver<()>, seen: &AtomicI64) {
    let conn = match connect::for_checkpoints(path) {
        Ok(conn) => conn,
        Err(error) => return tracing::error!(%error, "cannot open the log for checkpoints"),
    };
    while poked.recv().is_ok() {
        if checkpoint(&conn, "NOOP").is_none_or(|pages| pages >= WORTH_PAGES)
            && let Some(pages) = checkpoint(&conn, "PASSIVE")
        {
            seen.store(pages, Ordering::Relaxed);
        }
    }
}

/// Answers how many pages the log holds.
fn checkpoint(conn: &Connection, mode: &str) -> Option<i64> {
    let done = conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        row.get(1)
    });
    match done {
        Ok(pages) => Some(pages),
        Err(error) => {
            tracing::warn!(%error, mode, "cannot move the log into the database yet");
            None
        }
    }
}
