//! The stamp of a database: under which profile it is used, so that a trial and production cannot share data by mistake.
//! It is read before anything else of the database is touched.

use std::fmt;
use std::path::Path;

use hongyan_courier::audit::Act;
use rusqlite::{Connection, OptionalExtension};

use super::base;
use super::open::{self, OpenError};
use super::ops::audit;

const READ: &str = "SELECT value FROM meta WHERE key = 'profile'";

/// The profile that a database belongs to, as it is written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A developer's.
    Dev,
    /// A trial's.
    Staging,
    /// Production's.
    Prod,
}

impl Stamp {
    const ALL: [Self; 3] = [Self::Dev, Self::Staging, Self::Prod];

    /// The profile's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        }
    }

    fn code(self) -> i64 {
        match self {
            Self::Dev => 1,
            Self::Staging => 2,
            Self::Prod => 3,
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives a database that nobody uses another stamp, and writes down in the same transaction who did it; answers the stamp
/// before. Where that is the same, nothing is done. Of `act` the details are set here.
///
/// # Errors
/// [`OpenError`].
pub fn restamp(path: &Path, to: Stamp, act: Act) -> Result<Option<Stamp>, OpenError> {
    let (_lock, mut conn, _) = open::locked_and_migrated(path, None)?;
    let failed = |error: rusqlite::Error| open::of_sqlite(path, &error);
    let transaction = conn.transaction().map_err(failed)?;
    let before = read(path, &transaction)?;
    if before == Some(to) {
        return Ok(before);
    }
    write(path, &transaction, to)?;
    let details = serde_json::json!({"from": before.map(Stamp::as_str), "to": to.as_str()});
    let act = Act {
        details: Some(details.to_string()),
        ..act
    };
    audit::add(&transaction, &act).map_err(|fault| open::of_fault(path, fault))?;
    transaction.commit().map_err(failed)?;
    Ok(before)
}

/// Refuses a database of another profile, before it is changed in any way. It has a schema.
pub(super) fn check(path: &Path, conn: &Connection, own: Stamp) -> Result<(), OpenError> {
    match read(path, conn)? {
        Some(found) if found != own => Err(OpenError::OtherProfile {
            path: path.to_owned(),
            found,
            own,
        }),
        _ => Ok(()),
    }
}

/// Stamps a database that has no stamp yet.
pub(super) fn put(path: &Path, conn: &Connection, own: Stamp) -> Result<(), OpenError> {
    match read(path, conn)? {
        Some(_) => Ok(()),
        None => write(path, conn, own),
    }
}

fn read(path: &Path, conn: &Connection) -> Result<Option<Stamp>, OpenError> {
    let code: Option<i64> = conn
        .query_row(READ, [], |row| row.get(0))
        .optional()
        .map_err(|error| open::of_sqlite(path, &error))?;
    let Some(code) = code else { return Ok(None) };
    let known = Stamp::ALL.into_iter().find(|stamp| stamp.code() == code);
    known.map(Some).ok_or_else(|| OpenError::Corrupt {
        path: path.to_owned(),
        detail: format!("it is stamped with a profile that does not exist ({code})"),
    })
}

fn write(path: &Path, conn: &Connection, stamp: Stamp) -> Result<(), OpenError> {
    base::set_meta(conn, "profile", stamp.code()).map_err(|fault| open::of_fault(path, fault))
}
