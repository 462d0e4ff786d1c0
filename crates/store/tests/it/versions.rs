//! Databases of former versions, as they were left: `versions/vN.sql` is a dump that version N wrote. Today's program
//! loses nothing of them, and makes of each what it would make afresh.

use std::collections::BTreeMap;

use hongyan_courier::UnixMs;
use hongyan_courier::account::Standing;
use hongyan_courier::conformance::fixture::{ACCOUNT, NOW, at};
use hongyan_courier::message::Status;
use hongyan_courier::port::{Filter, Ledger, Queue, Standings};
use hongyan_courier::retention::Old;
use hongyan_store::sqlite::{Migrated, SCHEMA_VERSION, migrate};
use rusqlite::Connection;

use crate::support::Place;

/// One for each version that was ever released; never edited.
const DUMPS: [&str; SCHEMA_VERSION] = [
    include_str!("versions/v1.sql"),
    include_str!("versions/v2.sql"),
];

fn left_by(version: usize) -> Place {
    let place = Place::new();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(DUMPS[version - 1]).unwrap();
    place
}

/// Everything that a schema says of itself, and how many rows each table has.
type Shape = (Vec<(String, Option<String>)>, BTreeMap<String, i64>);

fn shape(place: &Place) -> Shape {
    let conn = Connection::open(place.path()).unwrap();
    let sql = "SELECT name, sql FROM sqlite_schema ORDER BY name";
    let mut all = conn.prepare(sql).unwrap();
    let found = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let schema = found.unwrap().map(Result::unwrap).collect();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut tables = conn.prepare(sql).unwrap();
    let counted = tables.query_map([], |row| {
        let table: String = row.get(0)?;
        let count = format!("SELECT count(*) FROM {table}");
        let rows = conn.query_row(&count, [], |row| row.get(0))?;
        Ok((table, rows))
    });
    let rows = counted.unwrap().map(Result::unwrap).collect();
    (schema, rows)
}

#[test]
fn every_version_is_brought_to_the_latest_and_loses_nothing() {
    let fresh = Place::new();
    migrate(&fresh.path(), None).unwrap();
    let (schema, _) = shape(&fresh);
    for from in 1..=SCHEMA_VERSION {
        let place = left_by(from);
        let (_, before) = shape(&place);
        for (table, rows) in &before {
            assert!(*rows > 0, "version {from}: {table} has no row to lose");
        }
        let to = SCHEMA_VERSION;
        assert_eq!(migrate(&place.path(), None).unwrap(), Migrated { from, to });
        let (migrated, after) = shape(&place);
        assert_eq!(migrated, schema, "from version {from}");
        for (table, rows) in before {
            assert_eq!(after.get(&table), Some(&rows), "version {from}: {table}");
        }
    }
}

#[tokio::test]
async fn what_every_version_left_can_be_worked_with() {
    for version in 1..=SCHEMA_VERSION {
        let place = left_by(version);
        let store = place.open(at(100));
        let all = store.page(Filter::default(), 100).await.unwrap();
        let mut stand: Vec<Status> = all.iter().map(|one| one.delivery.status).collect();
        stand.sort_by_key(|status| status.as_str());
        let queued_and_taken_back = Status::Queued;
        let expected = [
            Status::Delivered,
            Status::Failed,
            queued_and_taken_back,
            queued_and_taken_back,
            Status::Sent,
        ];
        assert_eq!(stand, expected, "version {version}");
        let account = ACCOUNT.into();
        let standing = store.standing(&account).await.unwrap();
        assert_ne!(standing, Standing::default(), "version {version}");
        assert_eq!(store.flags(&account, 10).await.unwrap().len(), 1);
        store.beat("n2", None, Vec::new(), at(100)).await.unwrap();
        let far = UnixMs(NOW.0 + 90 * 86_400_000);
        let failed = Old::Messages(Status::Failed);
        assert_eq!(store.prune(failed, far, 100).await.unwrap(), 1);
    }
}
