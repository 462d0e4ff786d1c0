//! What can go wrong inside a transaction, and whose fault it is: one operation's own, or the database's.
//! The answer decides whether the rest of a batch is carried on.

use hongyan_courier::port::StoreError;
use rusqlite::ErrorCode;

/// An operation could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// SQLite refused.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// A row holds what nobody wrote.
    #[error("{0}")]
    Unreadable(String),
}

impl Fault {
    /// Whether the database is well and only this operation cannot be done.
    pub(super) fn is_personal(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(code) => matches!(
                    code,
                    ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
                ),
                // Not SQLite's own: a value that does not fit its type.
                None => true,
            },
        }
    }
}

/// JSON in a column.
impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreadable(what) => Self::Corrupt(what),
            Fault::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
                    Self::Corrupt(error.to_string())
                }
                // Only reads are ever interrupted, when they have taken too long.
                Some(ErrorCode::OperationInterrupted) => Self::Overloaded,
                Some(ErrorCode::DiskFull) => Self::Full,
                Some(_) => Self::Unavailable(error.to_string()),
            },
        }
    }
}

/// The store takes no more work.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
