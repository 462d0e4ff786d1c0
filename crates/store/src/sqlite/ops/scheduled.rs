//! What waits for a far day costs nothing until then, and to measure how much waits costs no more when all of it is due. Measured by the steps that SQLite takes, which are the same
//! everywhere: no operation takes more of them among thousands of scheduled messages than among a few.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hongyan_courier::conformance::fixture::{NODE, NOW, at, call, claim, content, new};
use hongyan_courier::message::{Content, Priority};
use hongyan_courier::port::{Claim, NewMessage, NodeEpoch, Sweep};
use rusqlite::Connection;
use tempfile::TempDir;

use super::Op;
use super::accept::AcceptOp;
use super::claim::ClaimOp;
use super::sweep::SweepOp;
use crate::sqlite::accounts::Accounts;
use crate::sqlite::base::{Base, Node};
use crate::sqlite::read::{Reader, find};
use crate::sqlite::{connect, schema};

const FEW: usize = 30;
const MANY: usize = 3_000;
/// More than the depth of an index may cost, and far less than a look at each of many rows.
const SLACK: usize = 60;
const YEAR: u64 = 365 * 86_400;

/// A message to somebody, for a day in a year.
fn scheduled(nth: usize) -> NewMessage {
    let content = Content {
        priority: Priority::ALL[nth % Priority::ALL.len()],
        send_at: Some(at(YEAR)),
        ..content(&format!("o{nth}"))
    };
    NewMessage {
        expires_at: Some(at(2 * YEAR)),
        ..new(content, NOW)
    }
}

fn accept(messages: Vec<NewMessage>) -> AcceptOp {
    AcceptOp {
        call: call(messages),
        now: NOW,
        leased: Vec::new(),
    }
}

/// A database in which so many messages wait for a far day.
fn among(waiting: usize) -> (TempDir, PathBuf, Base) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hongyan.db");
    let mut conn = connect::for_writing(&path).unwrap();
    schema::migrate(&mut conn, schema::LATEST).unwrap();
    let mut base = Base::load(conn).unwrap();
    let node = Node {
        epoch: 1,
        beat_at: NOW,
    };
    base.nodes.insert(NODE.to_owned(), node);
    base.conn.execute_batch("BEGIN").unwrap();
    let stored = accept((0..waiting).map(scheduled).collect()).run(&mut base);
    assert!(stored.unwrap().is_ok());
    base.store().unwrap();
    base.conn.execute_batch("COMMIT").unwrap();
    base.depths.publish();
    (dir, path, base)
}

/// Counts the steps that a connection takes from now on.
pub(super) fn counted(conn: &Connection) -> Arc<AtomicUsize> {
    let steps = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&steps);
    let step = move || {
        count.fetch_add(1, Ordering::Relaxed);
        false
    };
    conn.progress_handler(1, Some(step)).unwrap();
    steps
}

/// By operation, the steps that it takes among so many.
fn steps(waiting: usize) -> Vec<(&'static str, usize)> {
    let (_dir, path, mut base) = among(waiting);
    let by = NodeEpoch {
        node: NODE.into(),
        epoch: 1,
    };
    let mut taken = Vec::new();
    let total = counted(&base.conn);
    let mut note = |name| taken.push((name, total.swap(0, Ordering::Relaxed)));

    assert!(
        accept(vec![new(content("o-now"), NOW)])
            .run(&mut base)
            .unwrap()
            .is_ok()
    );
    base.store().unwrap();
    note("accept");
    let held_back = Claim {
        at_most: [usize::MAX, 0, 0],
        ..claim(&by, 8)
    };
    for (name, claim, found) in [
        ("claim of what is not held back", held_back, 0),
        ("claim of what is due", claim(&by, 8), 1),
        ("claim of nothing", claim(&by, 8), 0),
    ] {
        let claimed = ClaimOp { claim, now: NOW }.run(&mut base).unwrap();
        assert_eq!(claimed.messages.len(), found, "{name}");
        assert_eq!(
            (claimed.next_due, claimed.more),
            (Some(at(YEAR)), false),
            "{name}"
        );
        note(name);
    }
    for (name, what) in [
        ("sweep of what expired", Sweep::Expired),
        ("sweep of closed windows", Sweep::ClosedWindows),
        ("sweep of missing receipts", Sweep::MissingReceipts),
    ] {
        let mut sweep = SweepOp {
            what,
            limit: 100,
            now: NOW,
        };
        assert!(sweep.run(&mut base).unwrap().is_empty(), "{name}");
        note(name);
    }
    let mut reader = Reader {
        conn: connect::for_reading(&path).unwrap(),
        accounts: Accounts::default(),
    };
    let read = counted(&reader.conn);
    let counts = base.depths.queued().counts();
    let depths = find::depths(&mut reader, &counts, NOW).unwrap();
    let queued: u64 = depths.iter().map(|depth| depth.queued).sum();
    assert_eq!(queued, waiting as u64, "all of them count");
    taken.push(("depths", read.swap(0, Ordering::Relaxed)));
    let depths = find::depths(&mut reader, &counts, at(YEAR)).unwrap();
    let past_due: u64 = depths.iter().map(|depth| depth.past_due).sum();
    assert_eq!(past_due, waiting as u64, "all of them are due");
    taken.push(("depths a year later", read.load(Ordering::Relaxed)));
    taken
}

#[test]
fn scheduled_messages_cost_no_step_until_they_are_due() {
    for ((name, few), (_, many)) in steps(FEW).into_iter().zip(steps(MANY)) {
        assert!(few > 0, "{name}: nothing was measured");
        assert!(
            many <= few + SLACK,
            "{name}: {few} steps among {FEW}, {many} among {MANY}"
        );
    }
}
