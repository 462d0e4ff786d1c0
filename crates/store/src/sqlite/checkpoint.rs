//! Moves what is in the write-ahead log into the database, beside the writer as far as possible, so that accepting does
//! not stall. Only a log that outgrows its bound makes the writer itself lend a hand; it never waits for a reader.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connect;

/// How many transactions pass between two looks at the log.
const LOOK_EVERY: u32 = 64;
/// A log of so many pages is worth moving; about 8 MiB.
const WORTH_PAGES: i64 = (8 << 20) / connect::PAGE_SIZE;
/// At so many pages the writer moves the rest itself, so that the log can begin anew; about 64 MiB.
const BOUND_PAGES: i64 = (64 << 20) / connect::PAGE_SIZE;
/// How long the writer waits for those who still read the log. If they are slower, it tries again at the next look.
const READERS_MAY_TAKE: Duration = Duration::from_millis(20);
/// At so many pages somebody is told that a reader holds the log, and again whenever it has doubled; about 256 MiB.
const TELL_PAGES: i64 = 4 * BOUND_PAGES;

/// The writer's side.
pub(super) struct Checkpoints {
    poke: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Pages in the log when last looked at.
    log_pages: Arc<AtomicI64>,
    tell_pages: i64,
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
            tell_pages: TELL_PAGES,
            commits: 0,
        })
    }

    /// To be called after each commit, outside of a transaction.
    pub(super) fn after_commit(&mut self, conn: &Connection) {
        self.commits += 1;
        if !self.commits.is_multiple_of(LOOK_EVERY) {
            return;
        }
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages >= BOUND_PAGES {
            self.log_pages.store(0, Ordering::Relaxed);
            self.tell(pages);
            restart(conn);
        }
        if let Some(poke) = &self.poke {
            // If the thread is still at it, it will be poked again.
            let _ = poke.try_send(());
        }
    }

    fn tell(&mut self, pages: i64) {
        if pages < TELL_PAGES {
            self.tell_pages = TELL_PAGES;
        } else if pages >= self.tell_pages {
            self.tell_pages = pages * 2;
            let mib = (pages * connect::PAGE_SIZE) >> 20;
            tracing::warn!(
                mib,
                "the log grows: another program reads the database for long"
            );
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

/// Lets the log begin anew, unless somebody reads it. Most of it was moved beside the writer already. Not truncated: a file
/// that is there already is synced faster.
fn restart(conn: &Connection) {
    if let Err(error) = conn.busy_timeout(READERS_MAY_TAKE) {
        return tracing::warn!(%error, "cannot move the log");
    }
    checkpoint(conn, "RESTART");
    if let Err(error) = conn.busy_timeout(connect::BUSY_TIMEOUT) {
        tracing::warn!(%error, "locks are awaited too short a time");
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// More than a reader may take, less than a lock is awaited otherwise.
    const STALLED: Duration = Duration::from_secs(1);

    #[test]
    fn a_reader_that_holds_the_log_does_not_stall_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hongyan.db");
        let conn = connect::for_writing(&path).unwrap();
        connect::set_up_writing(&conn).unwrap();
        conn.execute_batch("CREATE TABLE t (c); INSERT INTO t VALUES (1)")
            .unwrap();
        let slow = connect::for_reading(&path).unwrap();
        slow.execute_batch("BEGIN; SELECT * FROM t").unwrap();
        conn.execute_batch("INSERT INTO t VALUES (2)").unwrap();

        let mut checkpoints = Checkpoints::start(path).unwrap();
        checkpoints.log_pages.store(BOUND_PAGES, Ordering::Relaxed);
        checkpoints.commits = LOOK_EVERY - 1;
        let began = Instant::now();
        checkpoints.after_commit(&conn);
        assert!(began.elapsed() < STALLED, "{:?}", began.elapsed());
        let timeout: u128 = conn
            .pragma_query_value(None, "busy_timeout", |row| row.get::<_, u32>(0))
            .unwrap()
            .into();
        assert_eq!(timeout, connect::BUSY_TIMEOUT.as_millis(), "set back");

        slow.execute_batch("COMMIT").unwrap();
        checkpoints.finish(&conn);
        let log = dir.path().join("hongyan.db-wal");
        assert_eq!(std::fs::metadata(log).unwrap().len(), 0);
    }
}
