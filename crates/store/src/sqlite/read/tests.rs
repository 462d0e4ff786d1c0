//! The bounds of reading: how many at a time, how long, and what is left after the end.

use std::sync::mpsc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(20);

fn readers(patience: Duration) -> (TempDir, Arc<Readers>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hongyan.db");
    connect::for_writing(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (c)")
        .unwrap();
    (dir, Readers::new(path, patience))
}

/// A scan that never ends by itself.
fn endless(reader: &mut Reader) -> Result<i64, Fault> {
    let sql =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    Ok(reader.conn.query_row(sql, [], |row| row.get(0))?)
}

async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG / 2, "it never comes");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_ended() {
    let (_dir, readers) = readers(Duration::from_millis(50));
    let answer = readers.read(endless).await;
    assert!(matches!(answer, Err(StoreError::Overloaded)), "{answer:?}");
    assert_eq!(readers.free.available_permits(), READERS);
    readers.read(|_| Ok(())).await.unwrap();
}

#[tokio::test]
async fn a_read_that_finds_no_turn_in_time_is_refused() {
    let (_dir, readers) = readers(Duration::from_millis(50));
    let all = Arc::clone(&readers.free).acquire_many_owned(4).await;
    let answer = readers.read(|_| Ok(())).await;
    assert!(matches!(answer, Err(StoreError::Overloaded)), "{answer:?}");
    drop(all);
}

#[tokio::test]
async fn a_caller_that_hangs_up_frees_its_turn_only_with_the_query() {
    let (_dir, readers) = readers(LONG);
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let asking = Arc::clone(&readers);
    let mut running = JoinSet::new();
    running.spawn(async move {
        asking
            .read(move |_| {
                begun.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || begins.recv())
        .await
        .unwrap()
        .unwrap();
    running.shutdown().await;
    assert_eq!(readers.free.available_permits(), READERS - 1);
    drop(release);
    until(|| readers.free.available_permits() == READERS).await;
}

#[tokio::test]
async fn a_scan_that_nobody_waits_for_is_ended() {
    let (_dir, readers) = readers(LONG);
    let asking = Arc::clone(&readers);
    let mut running = JoinSet::new();
    running.spawn(async move { asking.read(endless).await });
    until(|| readers.free.available_permits() < READERS).await;
    running.shutdown().await;
    until(|| readers.free.available_permits() == READERS).await;
}

#[tokio::test]
async fn closing_ends_what_reads_and_keeps_no_connection() {
    let (_dir, readers) = readers(LONG);
    readers.read(|_| Ok(())).await.unwrap();
    assert_eq!(readers.idle().len(), 1);
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let asking = Arc::clone(&readers);
    let mut running = JoinSet::new();
    running.spawn(async move {
        asking
            .read(move |_| {
                begun.send(()).unwrap();
                let _ = released.recv();
                Ok(())
            })
            .await
    });
    tokio::task::spawn_blocking(move || begins.recv())
        .await
        .unwrap()
        .unwrap();
    let scanning = Arc::clone(&readers);
    running.spawn(async move { scanning.read(endless).await.map(drop) });
    until(|| readers.free.available_permits() == READERS - 2).await;
    readers.close();
    drop(release);
    while running.join_next().await.is_some() {}
    assert!(readers.idle().is_empty(), "a connection came back");
    assert!(readers.read(|_| Ok(())).await.is_err());
}

#[tokio::test]
async fn connections_are_counted_as_they_are_used() {
    let (_dir, readers) = readers(LONG);
    let counted = |busy, idle| readers.connections() == Connections { busy, idle };
    assert!(counted(0, 0), "none is opened before it is needed");
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let asking = Arc::clone(&readers);
    let mut running = JoinSet::new();
    running.spawn(async move {
        let query = asking.read(move |_| {
            begun.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        query.await.unwrap();
    });
    tokio::task::yield_now().await;
    begins.recv().unwrap();
    assert!(counted(1, 0));
    drop(release);
    running.join_next().await.unwrap().unwrap();
    until(|| counted(0, 1)).await;
}
