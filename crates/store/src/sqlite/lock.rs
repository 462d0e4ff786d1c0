//! One process owns a database. The lock is the operating system's, so it ends with the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held as long as the database is in use.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Somebody else has it, or it cannot be had.
#[derive(Debug)]
pub(super) enum Refused {
    /// This process has it, if it said who it is.
    Held(Option<u32>),
    Io(std::io::Error),
}

impl From<std::io::Error> for Refused {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    pub(super) fn take(database: &Path) -> Result<Self, Refused> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(beside(database))?;
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
        Ok(Self { _file: file })
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
