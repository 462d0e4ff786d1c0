//! Connections and their settings, one kind for each use. It knows no tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Bytes of a page. Set when a database is made.
pub(super) const PAGE_SIZE: i64 = 4_096;
/// Bytes of the writer's page cache.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// Bytes of a reader's page cache.
const READER_CACHE_KIB: i64 = 2 << 10;
/// How long a lock is awaited. Only checkpoints take any against each other.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared.
const STATEMENTS: usize = 64;

/// The connection that writes; makes the file if there is none.
pub(super) fn for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    open(path, flags)
}

/// Makes commits durable and fast. Changes the file, so that it is done only once the schema is known to be ours.
pub(super) fn set_up_writing(conn: &Connection) -> rusqlite::Result<()> {
    conn.pragma_update(None, "page_size", PAGE_SIZE)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // See `checkpoint`.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "temp_store", "memory")
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
