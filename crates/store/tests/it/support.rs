//! A store in a temporary directory, and a writer that can be held where it is. Nothing here is asserted.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use hongyan_courier::UnixMs;
use hongyan_courier::conformance::Stores;
use hongyan_courier::conformance::fixture::NOW;
use hongyan_store::sqlite::{SqliteStore, Watch};
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

/// A store's faces.
pub(crate) fn faces(store: &Arc<SqliteStore>) -> Stores {
    Stores {
        queue: store.clone(),
        ledger: store.clone(),
        dead_letters: store.clone(),
        standings: store.clone(),
        quotas: store.clone(),
        recipients: store.clone(),
        broadcasts: store.clone(),
        outbox: store.clone(),
        templates: store.clone(),
        forgetting: store.clone(),
        virtual_tokens: store.clone(),
        audit: store.clone(),
    }
}

/// Counts commits, and holds the writer where it is when told to.
#[derive(Default)]
pub(crate) struct Gate {
    commits: AtomicUsize,
    held: Mutex<bool>,
    turned: Condvar,
}

impl Gate {
    pub(crate) fn hold(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.turned.notify_all();
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Watch for Gate {
    fn query(&self, _name: &'static str, _took: Duration) {}

    fn commit(&self, _operations: usize, _took: Duration) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap();
        drop(self.turned.wait_while(held, |held| *held).unwrap());
    }
}

pub(crate) fn gated(place: &Place) -> (Arc<SqliteStore>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let store = SqliteStore::open_watched(&place.path(), NOW, gate.clone()).unwrap();
    (store, gate)
}

pub(crate) async fn settled(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
