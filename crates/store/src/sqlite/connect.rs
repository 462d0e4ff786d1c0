//! Connections and their settings, one kind for each use. It knows no tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Bytes of a page. Set when a database is made.
pub(super) const PAGE_SIZE: i64 = 4_096;
/// KiB of the writer's page cache.
const WRITER_CACHE_KIB: i64 = 4 << 10;
/// KiB of a reader's page cache.
const READER_CACHE_KIB: i64 = 2 << 10;
/// How long a lock is awaited. Only checkpoints take any against each other.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared.
const STATEMENTS: usize = 128;

/// The connection that writes; makes the file if there is none.
pub(super) fn for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    open(path, flags)
}

/// The file cannot be set up for durable and fast commits.
#[derive(Debug)]
pub(super) enum NotSetUp {
    Sql(rusqlite::Error),
    /// SQLite keeps to this journal, because a write-ahead log cannot be had there.
    Journal(String),
}

impl From<rusqlite::Error> for NotSetUp {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Makes commits durable and fast. Changes the file, so that it is done only once the schema is known to be ours.
pub(super) fn set_up_writing(conn: &Connection) -> Result<(), NotSetUp> {
    conn.pragma_update(None, "page_size", PAGE_SIZE)?;
    let journal =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    if journal != "wal" {
        return Err(NotSetUp::Journal(journal));
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // See `checkpoint`.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// A connection that only reads.
pub(super) fn for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(conn)
}

/// A connection that moves the log.
pub(super) fn for_checkpoints(path: &Path) -> rusqlite::Result<Connection> {
    let conn = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "synchronous", "full")?;
    Ok(conn)
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_writer_commits_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let opened = crate::sqlite::open::locked_and_migrated(&dir.path().join("hongyan.db"), None);
        let (_lock, conn, _) = opened.unwrap();
        let said = |pragma| -> String {
            let sql = format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}");
            conn.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(said("journal_mode"), "wal");
        assert_eq!(said("synchronous"), "2", "FULL");
    }

    #[test]
    fn another_journal_is_refused() {
        // A database in memory can have no log.
        let refused = set_up_writing(&Connection::open_in_memory().unwrap());
        assert!(matches!(refused, Err(NotSetUp::Journal(mode)) if mode == "memory"));
    }
}
