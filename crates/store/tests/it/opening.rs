//! Opening: what is refused, in words that say what to do, and what a new process puts in order first.

use std::os::unix::fs::symlink;
use std::time::Duration;

use hongyan_courier::audit::{Act, Audit, AuditFilter, Verifier};
use hongyan_courier::conformance::fixture::{NODE, NOW, at, content};
use hongyan_courier::delivery::Outcome;
use hongyan_courier::message::{Reason, Status};
use hongyan_courier::port::{Ledger, Queue, Sweep};
use hongyan_store::sqlite::{
    Migrated, OpenError, SCHEMA_VERSION, SqliteStore, Stamp, migrate, restamp,
};
use rusqlite::Connection;

use crate::support::{Place, faces};

fn refused(place: &Place) -> OpenError {
    match SqliteStore::open(&place.path(), NOW) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_database_in_use_is_refused_by_the_name_of_its_user() {
    let place = Place::new();
    let store = place.open_now();
    let said = refused(&place).to_string();
    let user = format!("already in use by process {}", std::process::id());
    assert!(said.contains(&user), "{said}");
    assert!(matches!(
        migrate(&place.path(), None),
        Err(OpenError::InUse { .. })
    ));
    store.close().await;
    drop(place.open_now());
    // Dropping is enough too.
    drop(place.open_now());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    let newer = SCHEMA_VERSION + 1;
    drop(place.open_now());
    let conn = Connection::open(place.path()).unwrap();
    conn.pragma_update(None, "user_version", i64::try_from(newer).unwrap())
        .unwrap();
    drop(conn);
    let error = refused(&place);
    assert!(
        matches!(error, OpenError::Newer { found, known, .. } if found == newer && known == SCHEMA_VERSION)
    );
    assert!(error.to_string().contains("start the newer hongyan"));
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for sql in [
        "CREATE TABLE messages (id INTEGER)",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
    ] {
        let place = Place::new();
        Connection::open(place.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let before = std::fs::read(place.path()).unwrap();
        let error = refused(&place);
        assert!(matches!(error, OpenError::Foreign { .. }), "{sql}: {error}");
        assert!(error.to_string().contains("set store.url to another file"));
        assert_eq!(std::fs::read(place.path()).unwrap(), before, "{sql}");
    }
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let place = Place::new();
    std::fs::write(place.path(), "").unwrap();
    drop(place.open_now());
}

#[tokio::test]
async fn links_lead_to_one_lock() {
    let place = Place::new();
    let folder = place.path().with_extension("d");
    let elsewhere = place.path().with_extension("link-d");
    std::fs::create_dir(&folder).unwrap();
    symlink(&folder, &elsewhere).unwrap();
    let link = place.path().with_extension("link");
    // Also while the file it leads to is not there yet.
    symlink("hongyan.d/real.db", &link).unwrap();
    let store = SqliteStore::open(&link, NOW).unwrap();
    assert!(folder.join("real.db").exists());
    for name in [folder.join("real.db"), elsewhere.join("real.db"), link] {
        let second = SqliteStore::open(&name, NOW).map(drop);
        let in_use = matches!(second, Err(OpenError::InUse { .. }));
        assert!(in_use, "{} was opened twice", name.display());
    }
    drop(store);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let place = Place::new();
    std::fs::write(
        place.path(),
        "a shopping list, and no database ".repeat(200),
    )
    .unwrap();
    assert!(matches!(refused(&place), OpenError::Corrupt { .. }));
}

#[test]
fn a_missing_directory_is_named() {
    let place = Place::new();
    let inside = place.path().join("nowhere/hongyan.db");
    std::fs::create_dir(place.path()).unwrap();
    let Err(error) = SqliteStore::open(&inside, NOW) else {
        panic!("it opened");
    };
    assert!(
        error.to_string().contains("directory does not exist"),
        "{error}"
    );
}

#[test]
fn migrating_says_what_it_did() {
    let place = Place::new();
    let (from, to) = (0, SCHEMA_VERSION);
    assert_eq!(migrate(&place.path(), None).unwrap(), Migrated { from, to });
    let from = SCHEMA_VERSION;
    assert_eq!(migrate(&place.path(), None).unwrap(), Migrated { from, to });
}

#[tokio::test]
async fn what_was_being_sent_is_taken_back_before_anything_else() {
    let place = Place::new();
    let store = place.open_now();
    let (_, message) = faces(&store).leased(content("o1"), NOW).await;
    drop(store);
    let store = place.open(at(20));
    let delivery = store.find(message.id).await.unwrap().unwrap().delivery;
    assert_eq!(delivery.status, Status::Queued);
    assert_eq!(delivery.doubt, Some(NOW), "counted from the claim");
}

#[tokio::test]
async fn after_the_window_it_ends_unconfirmed() {
    let place = Place::new();
    let store = place.open_now();
    let (_, message) = faces(&store).leased(content("o1"), NOW).await;
    drop(store);
    let store = place.open(at(481));
    let status = faces(&store).status(message.id).await;
    assert_eq!(status, Status::Unconfirmed);
}

/// What becomes of a message in doubt when the clock says `back` seconds less at the next start.
async fn clock_set_back(back: Duration) -> (Status, Option<Reason>) {
    let place = Place::new();
    let store = place.open_now();
    let faces_then = faces(&store);
    let (_, doubtful) = faces_then.leased(content("o1"), at(100)).await;
    faces_then
        .settle(&doubtful, Outcome::InDoubt, at(100))
        .await;
    let (_, leased) = faces_then.leased(content("o2"), at(100)).await;
    let calm = faces_then.store(content("o3"), at(100)).await;
    drop(faces_then);
    store.close().await;
    drop(store);

    let store = place.open(at(100).minus(back));
    let delivery = |id| {
        let store = store.clone();
        async move { store.find(id).await.unwrap().unwrap().delivery }
    };
    let first = delivery(doubtful.id).await;
    assert_eq!(delivery(leased.id).await.status, first.status);
    assert_eq!(delivery(calm).await.status, Status::Queued, "without doubt");
    (first.status, first.reason)
}

#[tokio::test]
async fn a_clock_set_back_ends_what_is_in_doubt() {
    let ended = (Status::Unconfirmed, Some(Reason::OutcomeUnknown));
    assert_eq!(clock_set_back(Duration::from_secs(60)).await, ended);
}

#[tokio::test]
async fn a_clock_corrected_by_a_hair_is_believed() {
    let (status, _) = clock_set_back(Duration::from_millis(300)).await;
    assert_eq!(status, Status::Queued);
}

#[tokio::test]
async fn after_the_clock_was_set_back_time_counts_anew() {
    let place = Place::new();
    place.open(at(1_000_000)).close().await;
    let store = place.open_now();
    let (_, message) = faces(&store).leased(content("o1"), NOW).await;
    faces(&store).settle(&message, Outcome::InDoubt, NOW).await;
    store.close().await;
    drop(store);
    let store = place.open(at(2));
    assert_eq!(faces(&store).status(message.id).await, Status::Queued);
}

#[tokio::test]
async fn a_closed_store_refuses() {
    let place = Place::new();
    let store = place.open_now();
    store.close().await;
    store.close().await;
    assert!(store.beat(NODE, None, Vec::new(), NOW).await.is_err());
    assert!(store.sweep(Sweep::Expired, 1, NOW).await.is_err());
    assert!(store.depths(NOW).await.is_err());
    assert!(
        !place.path().with_extension("db-wal").exists(),
        "the log was emptied"
    );
}

fn open_under(place: &Place, profile: Stamp) -> Result<std::sync::Arc<SqliteStore>, OpenError> {
    SqliteStore::open_under(&place.path(), NOW, std::sync::Arc::new(()), Some(profile))
}

#[tokio::test]
async fn a_database_belongs_to_the_profile_that_used_it_first() {
    let place = Place::new();
    drop(open_under(&place, Stamp::Staging).unwrap());
    drop(open_under(&place, Stamp::Staging).unwrap());
    let error = open_under(&place, Stamp::Prod).map(drop).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::OtherProfile {
                found: Stamp::Staging,
                own: Stamp::Prod,
                ..
            }
        ),
        "{error}"
    );
    let said = error.to_string();
    assert!(said.contains("belongs to profile staging"), "{said}");
    assert!(said.contains("hongyan migrate --restamp"), "{said}");
    let migrated = migrate(&place.path(), Some(Stamp::Dev));
    assert!(matches!(migrated, Err(OpenError::OtherProfile { .. })));
    assert_eq!(
        restamp(&place.path(), Stamp::Prod, restamping()).unwrap(),
        Some(Stamp::Staging)
    );
    drop(open_under(&place, Stamp::Prod).unwrap());
}

fn restamping() -> Act {
    Act {
        at: NOW,
        who: "local:ops".to_owned(),
        from: None,
        what: "store.restamp".to_owned(),
        account: None,
        subject: None,
        recipient: None,
        details: None,
        trace_id: None,
    }
}

#[tokio::test]
async fn who_gave_a_database_to_another_profile_is_written_down_with_it() {
    let place = Place::new();
    drop(open_under(&place, Stamp::Staging).unwrap());
    let stamped = |to| restamp(&place.path(), to, restamping());
    stamped(Stamp::Prod).unwrap();
    stamped(Stamp::Prod).unwrap();
    let list = async || {
        let store = open_under(&place, Stamp::Prod).unwrap();
        store.audited(AuditFilter::default(), 9).await.unwrap()
    };
    let entries = list().await;
    let [entry] = &entries[..] else {
        panic!("one was done: {entries:?}");
    };
    let details = r#"{"from":"staging","to":"prod"}"#;
    assert_eq!(entry.act.details.as_deref(), Some(details));
    assert_eq!((&*entry.act.who, entry.act.at), ("local:ops", NOW));
    Verifier::default().take(entry).unwrap();

    // What cannot be written down is not done.
    let sql = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END";
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(sql).unwrap();
    drop(conn);
    stamped(Stamp::Dev).unwrap_err();
    assert_eq!(list().await, entries);
}

#[tokio::test]
async fn a_database_from_before_stamps_gets_one() {
    let place = Place::new();
    drop(place.open_now());
    drop(open_under(&place, Stamp::Prod).unwrap());
    assert!(open_under(&place, Stamp::Dev).is_err());
}
