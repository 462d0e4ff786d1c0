//! A writer that breaks, and memory that cannot be read anew: everybody is told, and nothing is decided on half of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hongyan_courier::conformance::fixture::{NODE, NOW, call, content, lease, new};
use hongyan_courier::port::{AcceptError, Ledger, Queue, StoreError, Sweep};
use hongyan_store::sqlite::{SqliteStore, Watch};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::support::{Gate, Place, faces, gated, settled};

/// Breaks the writer when told to.
#[derive(Default)]
struct Fuse(AtomicBool);

impl Watch for Fuse {
    fn query(&self, _name: &'static str, _took: Duration) {}

    fn commit(&self, _operations: usize, _took: Duration) {
        assert!(!self.0.load(Ordering::SeqCst), "the fuse blew");
    }
}

fn says_broken(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if why.contains("restart"))
}

#[tokio::test]
async fn a_broken_writer_is_noticed_by_everybody() {
    let place = Place::new();
    let fuse = Arc::new(Fuse::default());
    let store = SqliteStore::open_watched(&place.path(), NOW, fuse.clone()).unwrap();
    let (_, message) = faces(&store).leased(content("o1"), NOW).await;
    store.ready().await.unwrap();
    fuse.0.store(true, Ordering::SeqCst);
    let accept = || store.accept(call(vec![new(content("o2"), NOW)]), NOW);
    for _ in 0..3 {
        // The first one breaks it, and is itself told that nobody knows what became of it.
        let answer = accept().await;
        let told = matches!(&answer, Err(AcceptError::Store(error)) if says_broken(error));
        assert!(told, "{answer:?}");
    }
    store.broken().await;
    assert!(says_broken(&store.ready().await.unwrap_err()));
    let look = store.look(lease(&message), NOW).await;
    assert!(says_broken(&look.unwrap_err()), "no call may go out");
    let swept = store.sweep(Sweep::Expired, 1, NOW).await;
    assert!(says_broken(&swept.unwrap_err()));
    // Another process can go on.
    drop(store);
    drop(place.open_now());
}

#[tokio::test]
async fn a_store_that_was_closed_is_not_broken() {
    let place = Place::new();
    let store = place.open_now();
    store.close().await;
    let broken = tokio::time::timeout(Duration::from_millis(50), store.broken());
    assert!(broken.await.is_err());
    assert!(!says_broken(&store.ready().await.unwrap_err()));
}

fn hold_commit(gate: &Gate, store: &Arc<SqliteStore>, running: &mut JoinSet<()>) {
    gate.hold(true);
    let store = store.clone();
    running.spawn(async move {
        let message = new(content("o9"), NOW);
        store.accept(call(vec![message]), NOW).await.unwrap();
    });
}

#[tokio::test]
async fn nothing_is_decided_on_memory_that_cannot_be_read_anew() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let taken = faces(&store).store(content("o0"), NOW).await;
    let (by, _) = faces(&store).leased(content("o1"), NOW).await;
    let mut running = JoinSet::new();
    let commits = gate.commits();
    hold_commit(&gate, &store, &mut running);
    settled(|| gate.commits() > commits).await;
    // The writer's next look at what is leased fails, and an operation of its next batch makes it look.
    let conn = Connection::open(place.path()).unwrap();
    conn.execute(
        "UPDATE messages SET reason = 'no word' WHERE status = 1",
        [],
    )
    .unwrap();
    let (beating, twice) = (store.clone(), store.clone());
    running.spawn(async move {
        let mut message = new(content("o2"), NOW);
        message.id = taken;
        let stored = twice.accept(call(vec![message]), NOW).await;
        assert!(stored.is_err());
    });
    running.spawn(async move {
        let beat = beating.beat(NODE, Some(by.epoch), Vec::new(), NOW).await;
        assert!(
            beat.is_err(),
            "an epoch was given on forgotten nodes: {beat:?}"
        );
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.hold(false);
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    conn.execute("UPDATE messages SET reason = NULL WHERE status = 1", [])
        .unwrap();
    let beat = store.beat(NODE, Some(by.epoch), Vec::new(), NOW).await;
    assert_eq!(beat.unwrap(), by.epoch, "and then it goes on as before");
}

/// As many calls as wait for the writer before the next one has to wait for room.
const CALLS_WAITING: usize = 8_192;

#[tokio::test]
async fn a_caller_that_hangs_up_while_it_waits_for_room_leaves_no_trace() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let mut running = JoinSet::new();
    hold_commit(&gate, &store, &mut running);
    settled(|| gate.commits() == 1).await;
    for _ in 0..CALLS_WAITING {
        let store = store.clone();
        running.spawn(async move {
            store.release(Vec::new(), NOW).await.unwrap();
        });
    }
    tokio::task::yield_now().await;
    let mut given_up = JoinSet::new();
    let sweeping = store.clone();
    given_up.spawn(async move { sweeping.sweep(Sweep::Expired, 30_000, NOW).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    given_up.shutdown().await;
    gate.hold(false);
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    let accept = store.accept(call(vec![new(content("o1"), NOW)]), NOW).await;
    assert!(accept.is_ok(), "{accept:?}");
}

#[tokio::test]
async fn a_row_that_nobody_could_have_written_is_named_and_its_neighbours_go_on() {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let spoilt = faces.store(content("o1"), NOW).await;
    let other = faces.store(content("o2"), NOW).await;
    let conn = Connection::open(place.path()).unwrap();
    let sql = "UPDATE messages SET reason = 'no word' WHERE id = ?1";
    assert_eq!(conn.execute(sql, [spoilt.as_bytes()]).unwrap(), 1);
    let found = store.find(spoilt).await;
    let named = matches!(&found, Err(StoreError::Corrupt(why)) if why.contains("no word"));
    assert!(named, "{found:?}");
    assert!(store.find(other).await.unwrap().is_some());
    store.ready().await.unwrap();
    faces.store(content("o3"), NOW).await;
}
