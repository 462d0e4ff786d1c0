//! Opens a database: takes its lock, checks and migrates its schema, takes back what a former process held.
//! Whatever goes wrong here is told to a human, so every error says what to do.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::connect::NotSetUp;
use super::fault::Fault;
use super::lock::{Lock, Refused};
use super::stamp::{self, Stamp};
use super::{connect, schema};

/// A database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory cannot be written.
    #[error(
        "cannot write {path}: {detail}; give this user write permission for the file and its directory, or set store.url to another place"
    )]
    NotWritable {
        /// The database.
        path: PathBuf,
        /// In the system's words.
        detail: String,
    },
    /// Another process has it open.
    #[error(
        "{path} is already in use by {holder}; stop that one first, or set store.url to another file"
    )]
    InUse {
        /// The database.
        path: PathBuf,
        /// `process 123`, or `another process`.
        holder: String,
    },
    /// It was written by a later version of Hongyan.
    #[error(
        "{path} has schema version {found}, but this program knows only up to {known}; start the newer hongyan that wrote it, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema's version.
        found: usize,
        /// The latest that this program knows.
        known: usize,
    },
    /// It is a database of another program.
    #[error(
        "{path} is a database of another program, not of hongyan; nothing in it was changed; set store.url to another file, which is made if it does not exist"
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// It is used under another profile.
    #[error(
        "{path} belongs to profile {found}, and this process runs under {own}; nothing in it was changed; set HONGYAN_PROFILE={found} or store.url to another file, or, if {found} data is to become {own} data, run: hongyan migrate --restamp"
    )]
    OtherProfile {
        /// The database.
        path: PathBuf,
        /// The profile that it is stamped with.
        found: Stamp,
        /// The profile that it was opened under.
        own: Stamp,
    },
    /// Its file system cannot hold a write-ahead log.
    #[error(
        "{path} cannot have a write-ahead log where it is (SQLite keeps to the {journal} journal); set store.url to a file on a local disk"
    )]
    NoLog {
        /// The database.
        path: PathBuf,
        /// The journal that SQLite keeps to.
        journal: String,
    },
    /// It is damaged, or no SQLite database of ours.
    #[error(
        "{path} is damaged or not a database of hongyan: {detail}; move it away and restore a backup, or set store.url to another file"
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// In SQLite's words.
        detail: String,
    },
    /// There is no room for it.
    #[error("the disk that holds {path} is full; free some space and start again, nothing is lost")]
    DiskFull {
        /// The database.
        path: PathBuf,
    },
    /// Something else.
    #[error("cannot open {path}: {detail}")]
    Other {
        /// The database.
        path: PathBuf,
        /// In the system's words.
        detail: String,
    },
}

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The schema's version before; zero for a new database.
    pub from: usize,
    /// And after.
    pub to: usize,
}

/// Brings a database that nobody uses to the latest schema; makes it if there is none. Under a profile, one of another is
/// refused, and one of none gets its stamp.
pub fn migrate(path: &Path, profile: Option<Stamp>) -> Result<Migrated, OpenError> {
    let (_lock, _conn, migrated) = locked_and_migrated(path, profile)?;
    Ok(migrated)
}

/// The lock, the connection that writes, and what had to be migrated.
pub(super) fn locked_and_migrated(
    path: &Path,
    profile: Option<Stamp>,
) -> Result<(Lock, Connection, Migrated), OpenError> {
    let lock = Lock::take(path).map_err(|refused| match refused {
        Refused::Held(pid) => OpenError::InUse {
            path: path.to_owned(),
            holder: pid.map_or_else(
                || "another process".to_owned(),
                |pid| format!("process {pid}"),
            ),
        },
        Refused::Io(error) => of_io(path, &error),
    })?;
    let mut conn =
        connect::for_writing(lock.database()).map_err(|error| of_sqlite(path, &error))?;
    let from = schema::version(&conn).map_err(|error| of_sqlite(path, &error))?;
    let from = from.ok_or_else(|| OpenError::Foreign {
        path: path.to_owned(),
    })?;
    if from > schema::LATEST {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: from,
            known: schema::LATEST,
        });
    }
    if let Some(own) = profile.filter(|_| from > 0) {
        stamp::check(path, &conn, own)?;
    }
    connect::set_up_writing(&conn).map_err(|error| of_set_up(path, error))?;
    schema::migrate(&mut conn, schema::LATEST).map_err(|error| of_migration(path, error))?;
    if let Some(own) = profile {
        stamp::put(path, &conn, own)?;
    }
    let to = schema::LATEST;
    if from != to {
        tracing::info!(path = %path.display(), from, to, "database migrated");
    }
    Ok((lock, conn, Migrated { from, to }))
}

pub(super) fn of_fault(path: &Path, fault: Fault) -> OpenError {
    match fault {
        Fault::Sql(error) => of_sqlite(path, &error),
        Fault::Unreadable(detail) => OpenError::Corrupt {
            path: path.to_owned(),
            detail,
        },
    }
}

pub(super) fn of_io(path: &Path, error: &std::io::Error) -> OpenError {
    use std::io::ErrorKind;
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable { path, detail }
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => OpenError::DiskFull { path },
        ErrorKind::NotFound => OpenError::Other {
            path,
            detail: "its directory does not exist; make it, or set store.url to another place"
                .to_owned(),
        },
        _ => OpenError::Other { path, detail },
    }
}

pub(super) fn of_sqlite(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, detail) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { path, detail }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            OpenError::NotWritable { path, detail }
        }
        Some(ErrorCode::DiskFull) => OpenError::DiskFull { path },
        Some(ErrorCode::SystemIoFailure) if no_room_for_index(error) => {
            OpenError::DiskFull { path }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse {
            path,
            holder: "another program, perhaps an sqlite3 shell".to_owned(),
        },
        _ => OpenError::Other { path, detail },
    }
}

/// Whether there was no room for the log's index, which SQLite does not call a full disk.
fn no_room_for_index(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn of_set_up(path: &Path, error: NotSetUp) -> OpenError {
    match error {
        NotSetUp::Sql(error) => of_sqlite(path, &error),
        NotSetUp::Journal(journal) => OpenError::NoLog {
            path: path.to_owned(),
            journal,
        },
    }
}

fn of_migration(path: &Path, error: rusqlite_migration::Error) -> OpenError {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => of_sqlite(path, &err),
        error => OpenError::Other {
            path: path.to_owned(),
            detail: error.to_string(),
        },
    }
}
