//! A mountain of old records is forgotten beside the sending: in batches of a bounded number of rows, between which everybody
//! else gets the writer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_courier::conformance::fixture::{NODE, NOW, accepted, at, content, receipt};
use hongyan_courier::delivery::ReceiptWord;
use hongyan_courier::message::{Reason, Status};
use hongyan_courier::observer::{Event, Observer};
use hongyan_courier::port::{Filter, Ledger};
use hongyan_courier::retention::{Keep, Old, Pruner};
use hongyan_courier::{Clock, UnixMs};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::support::{Place, faces};

const DAY: u64 = 86_400;

/// It is this late.
struct At(UnixMs);

impl Clock for At {
    fn now(&self) -> UnixMs {
        self.0
    }
}

/// Remembers what went, batch by batch.
#[derive(Default)]
struct Tally(Mutex<Vec<(Old, usize)>>);

impl Observer for Tally {
    fn observe(&self, _: &Event) {}

    fn pruned(&self, what: Old, count: usize) {
        self.0.lock().unwrap().push((what, count));
    }
}

impl Tally {
    /// How many records of a kind went, and how many at once at the most.
    fn of(&self, what: Old) -> (usize, usize) {
        let batches = self.0.lock().unwrap();
        let batches = batches.iter().filter(|(of, _)| *of == what);
        batches.fold((0, 0), |(all, most), (_, count)| {
            (all + count, most.max(*count))
        })
    }

    /// Waits for something that the store does, and for no more than the batch under way and the one behind it.
    async fn bounded<T>(&self, step: impl Future<Output = T>) -> T {
        let batches = || self.0.lock().unwrap().len();
        let before = batches();
        let done = step.await;
        let waited = batches() - before;
        assert!(waited <= 2, "it waited for {waited} batches");
        done
    }
}

/// Makes so many delivered messages of the one that there is, and so many receipts.
fn multiply(place: &Place, times: usize) {
    let conn = Connection::open(place.path()).unwrap();
    let sql =
        "SELECT group_concat(name, ', ') FROM pragma_table_info('messages') WHERE name <> 'id'";
    let columns: String = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    let numbers = format!(
        "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {times})"
    );
    let id = "CAST(printf('%016d', n) AS BLOB)";
    let receipt = "openid, create_time, status, at, message, max_retries, receipt_retries, roll";
    conn.execute_batch(&format!(
        "BEGIN; \
        {numbers} INSERT INTO messages (id, {columns}) SELECT {id}, {columns} FROM messages, n; \
        {numbers} INSERT INTO receipts (account, msgid, {receipt}) SELECT account, msgid + n, {receipt} FROM receipts, n; \
        COMMIT;"
    ))
    .unwrap();
}

/// Time is paused, so that the pruner never really pauses: it asks for the next batch as soon as anybody waits.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_two_batches_of_what_is_forgotten() {
    const OLD: usize = 25_000;
    let place = Place::new();
    let store = place.open_now();
    let stores = faces(&store);
    let delivered = stores.sent(content("o1"), 1, NOW).await;
    let said = receipt(1, "o1", ReceiptWord::Success);
    stores.receive(said, NOW).await;
    assert_eq!(stores.status(delivered.id).await, Status::Delivered);
    multiply(&place, OLD);
    let (tally, later) = (Arc::new(Tally::default()), at(100 * DAY));
    let pruner = Pruner {
        ledger: store.clone(),
        clock: Arc::new(At(later)),
        observer: tally.clone(),
        keep: Keep::all(Duration::from_secs(90 * DAY)),
    };
    let by = stores.join(NODE, later).await;
    let (stop, over) = (CancellationToken::new(), AtomicBool::new(false));
    let forgetting = async {
        pruner.round(&stop).await.unwrap();
        over.store(true, Ordering::SeqCst);
    };
    let sending = async {
        let mut sent = 0;
        while !over.load(Ordering::SeqCst) {
            let openid = format!("n{sent}");
            tally.bounded(stores.store(content(&openid), later)).await;
            let message = tally.bounded(stores.claim_one(&by, later)).await;
            let took = accepted(1_000_000 + sent);
            tally.bounded(stores.settle(&message, took, later)).await;
            sent += 1;
        }
        sent
    };
    let ((), sent) = tokio::join!(forgetting, sending);
    assert!(sent > 20, "{sent}: the sending went on meanwhile");
    let of = |what| tally.of(what);
    assert_eq!(of(Old::Messages(Status::Delivered)), (OLD + 1, 200));
    assert_eq!(of(Old::Receipts), (OLD + 1, 500));
    let sent = usize::try_from(sent).unwrap();
    let left = store.page(Filter::default(), 10 * OLD).await.unwrap();
    assert_eq!(left.len(), sent, "what was sent meanwhile is young");
}

#[tokio::test]
async fn a_message_that_is_forgotten_leaves_no_row_behind() {
    let place = Place::new();
    let store = place.open_now();
    let stores = faces(&store);
    // Its first call came to nothing, so that it has two msgids.
    let delivered = stores.sent(content("o1"), 1, NOW).await;
    let failed = ReceiptWord::Failed(Reason::SystemFailed);
    stores.receive(receipt(1, "o1", failed), NOW).await;
    let by = stores.join(NODE, at(60)).await;
    let again = stores.claim_one(&by, at(600)).await;
    stores.settle(&again, accepted(2), at(600)).await;
    let said = receipt(2, "o1", ReceiptWord::Success);
    stores.receive(said, at(600)).await;
    assert_eq!(stores.status(delivered.id).await, Status::Delivered);
    let conn = Connection::open(place.path()).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        conn.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("msgids"), count("receipts")), (2, 2));
    for (what, gone) in [(Old::Messages(Status::Delivered), 1), (Old::Receipts, 2)] {
        assert_eq!(store.prune(what, at(601), 10).await.unwrap(), gone);
    }
    for table in ["messages", "msgids", "receipts"] {
        assert_eq!(count(table), 0, "{table}");
    }
}

#[tokio::test]
async fn a_batch_is_bounded_over_all_accounts_together() {
    let place = Place::new();
    let store = place.open_now();
    let conn = Connection::open(place.path()).unwrap();
    for account in 1..=3 {
        let sql = "INSERT INTO accounts (id, name) VALUES (?1, ?2)";
        conn.execute(sql, (account, format!("clinic-{account}")))
            .unwrap();
        for nth in 0..4 {
            let sql = "INSERT INTO flags (account, subject, key, reason, at) VALUES (?1, 'recipient', ?2, 'user_blocked', ?3)";
            conn.execute(sql, (account, format!("o{nth}"), NOW.0))
                .unwrap();
        }
    }
    for gone in [5, 5, 2, 0] {
        assert_eq!(store.prune(Old::Flags, at(1), 5).await.unwrap(), gone);
    }
}

#[tokio::test]
async fn what_cannot_be_forgotten_holds_up_nothing_else() {
    let place = Place::new();
    let store = place.open_now();
    let stores = faces(&store);
    let message = stores.store(content("o1"), NOW).await;
    store.cancel(message, None, NOW).await.unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch("DROP TABLE template_history").unwrap();
    let pruner = Pruner {
        ledger: store.clone(),
        clock: Arc::new(At(at(100 * DAY))),
        observer: Arc::new(Tally::default()),
        keep: Keep::all(Duration::from_secs(90 * DAY)),
    };
    let round = pruner.round(&CancellationToken::new()).await;
    assert!(round.is_err(), "it is told of");
    assert!(store.find(message).await.unwrap().is_none());
}
