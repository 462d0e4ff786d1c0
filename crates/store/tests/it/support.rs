//! A store in a temporary directory, and the messages that the tests put into it. Nothing here is asserted.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::conformance::Stores;
use hongyan_courier::conformance::fixture::NOW;
use hongyan_store::sqlite::SqliteStore;
use tempfile::TempDir;

thread_local! {
    /// Directories live as long as the thread of their test, so a store may outlive whoever made its place.
    static DIRECTORIES: RefCell<Vec<TempDir>> = const { RefCell::new(Vec::new()) };
}

/// A place for a database.
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("hongyan.db");
        DIRECTORIES.with_borrow_mut(|all| all.push(dir));
        Self { path }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    pub(crate) fn open(&self, now: UnixMs) -> Arc<SqliteStore> {
        SqliteStore::open(&self.path(), now).expect("the database opens")
    }

    pub(crate) fn open_now(&self) -> Arc<SqliteStore> {
        self.open(NOW)
    }
}

/// A store's three faces.
pub(crate) fn faces(store: &Arc<SqliteStore>) -> Stores {
    Stores {
        queue: store.clone(),
        ledger: store.clone(),
        standings: store.clone(),
    }
}
