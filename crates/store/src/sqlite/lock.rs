//! One process owns a database. The lock is the operating system's, so it ends with the process, however that ends.
//! It lies beside the file itself, wherever links to it may lie.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held as long as the database is in use.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    database: PathBuf,
}

/// Somebody else has it, or it cannot be had.
#[derive(Debug)]
pub(super) enum Refused {
    /// This process has it, if it said who it is.
    Held(Option<u32>),
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    pub(super) fn take(database: &Path) -> Result<Self, Refused> {
        let database = resolved(database)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(beside(&database))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(Refused::Held(holder.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(Refused::Io(error)),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { file, database })
    }

    /// The file that is locked, which is the one to open: a link may lead elsewhere by then.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked and has yet to become its program holds the file open too.
        let _ = self.file.unlock();
    }
}

/// Where a database is or will be, as SQLite finds it: links are followed, also one to a file that is yet to be made.
fn resolved(database: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(database) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if let Ok(target) = fs::read_link(database) {
        return resolved(&folder.join(target));
    }
    let name = database.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok(fs::canonicalize(folder)?.join(name))
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
