//! What one operation looks through is bounded, however much a foreign program or a single recipient leaves behind.

use std::time::Duration;

use hongyan_courier::conformance::fixture::{
    NODE, NOW, answered, at, call, claim, content, new, receipt,
};
use hongyan_courier::delivery::{Outcome, ReceiptWord};
use hongyan_courier::message::Status;
use hongyan_courier::port::{Claim, Ledger, Sweep};
use hongyan_courier::receipt::ReceiptTaken;
use rusqlite::{Connection, params};

use crate::support::{Place, faces};

#[tokio::test]
async fn only_young_orphans_are_looked_at_again() {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let message = faces.sent(content("o1"), 1, NOW).await;
    for (msgid, openid, now) in [(50, "o1", NOW), (51, "o1", at(3_600))] {
        let orphan = receipt(msgid, openid, ReceiptWord::Success);
        assert_eq!(faces.receive(orphan, now).await, ReceiptTaken::Orphan);
    }
    // As if both had been missed when their msgid was stored.
    let conn = Connection::open(place.path()).unwrap();
    for msgid in [50, 51] {
        let sql = "INSERT INTO msgids SELECT ?1, account, message, generation FROM msgids WHERE msgid = 1";
        conn.execute(sql, [msgid]).unwrap();
    }
    let swept = store.sweep(Sweep::Orphans, 10, at(3_601)).await.unwrap();
    assert_eq!(
        swept.iter().map(|one| one.id).collect::<Vec<_>>(),
        [message.id]
    );
    let sql = "SELECT msgid FROM receipts WHERE message IS NULL";
    let left: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 50, "the old one");
}

/// Where a message in doubt stands after 40241, with so many others to the same openid.
async fn duplicate_beside(others: usize) -> Status {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let by = faces.join(NODE, NOW).await;
    faces.store(content("o1"), NOW).await;
    let message = faces.claim_one(&by, NOW).await;
    let moved = faces.settle(&message, Outcome::InDoubt, NOW).await;
    let repeat = faces.claim_one(&by, moved.due_at).await;
    let others = (0..others).map(|nth| {
        let mut other = content("o1");
        other.data = format!(r#"{{"thing1":{{"value":"{nth}"}}}}"#);
        new(other, NOW)
    });
    let others: Vec<_> = others.collect();
    if !others.is_empty() {
        faces.take(call(others), NOW).await;
    }
    let moved = faces.settle(&repeat, answered(40241), moved.due_at).await;
    moved.status
}

#[tokio::test]
async fn among_too_many_messages_to_one_openid_nothing_is_proved() {
    assert_eq!(duplicate_beside(100).await, Status::Sent);
    assert_eq!(duplicate_beside(600).await, Status::Queued);
}

/// How SQLite goes about a query.
fn plan(place: &Place, sql: &str) -> String {
    let conn = Connection::open(place.path()).unwrap();
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let steps = explain.query_map(params![], |row| row.get::<_, String>(3));
    steps
        .unwrap()
        .map(Result::unwrap)
        .collect::<Vec<_>>()
        .join("; ")
}

#[tokio::test]
async fn orphans_are_found_by_age_and_by_msgid() {
    let place = Place::new();
    drop(place.open_now());
    let orphans = "SELECT openid FROM receipts WHERE message IS NULL";
    let by_age = plan(
        &place,
        &format!("{orphans} AND at >= 5 ORDER BY at DESC LIMIT 9"),
    );
    assert!(
        by_age.contains("receipts_orphan (at>?)") && !by_age.contains("TEMP"),
        "{by_age}"
    );
    let sql = format!("{orphans} AND msgid = 5 AND account = 5 ORDER BY +at");
    let by_msgid = plan(&place, &sql);
    assert!(
        by_msgid.contains("PRIMARY KEY (msgid=? AND account=?)"),
        "{by_msgid}"
    );
}

/// What may be forgotten is found by its age alone, however much is young.
#[tokio::test]
async fn what_is_old_is_found_by_its_age() {
    let place = Place::new();
    drop(place.open_now());
    for (query, index) in [
        (
            "rowid FROM messages INDEXED BY messages_ended WHERE ended_at IS NOT NULL AND status = 3 AND ended_at < 9",
            "messages_ended (status=? AND ended_at>? AND ended_at<?)",
        ),
        (
            "msgid FROM receipts WHERE message IS NOT NULL AND at < 9",
            "receipts_at (at<?)",
        ),
        (
            "openid FROM recipients WHERE idle_since IS NOT NULL AND idle_since < 9",
            "recipients_idle (idle_since>? AND idle_since<?)",
        ),
        (
            "id FROM template_history WHERE at < 9",
            "template_history_at (at<?)",
        ),
        (
            "id FROM broadcasts WHERE id < 9 AND tended = 1 AND ended_at < 9 ORDER BY id",
            "PRIMARY KEY (rowid<?)",
        ),
        (
            "id FROM webhook_events WHERE webhook = 1 AND ended_at IS NOT NULL AND ended_at < 9 AND state = 1",
            "webhook_events_ended (webhook=? AND state=? AND ended_at>? AND ended_at<?)",
        ),
        (
            "id FROM webhook_events WHERE webhook = 1 AND due_at IS NOT NULL AND due_at < 9 AND state = 0",
            "webhook_events_due (webhook=? AND due_at>? AND due_at<?)",
        ),
    ] {
        let plan = plan(&place, &format!("SELECT {query} LIMIT 5"));
        assert!(plan.contains(index) && !plan.contains("TEMP"), "{plan}");
    }
}

#[tokio::test]
async fn a_broadcast_of_millions_is_looked_into_by_its_indexes() {
    let place = Place::new();
    drop(place.open_now());
    let newest = "ORDER BY broadcast_row DESC LIMIT 51";
    for (what, conditions, index) in [
        (
            "SELECT id",
            format!("broadcast = 5 {newest}"),
            "messages_broadcast (broadcast=?)",
        ),
        (
            "SELECT id",
            format!("status >= 4 AND status = 4 AND broadcast = 5 {newest}"),
            "messages_broadcast_ended (broadcast=? AND status=?)",
        ),
        (
            "SELECT 1",
            "broadcast = 5 AND status = 0 AND due_at <= 9 LIMIT 9".to_owned(),
            "messages_broadcast_queued (broadcast=? AND due_at<?)",
        ),
    ] {
        let plan = plan(&place, &format!("{what} FROM messages WHERE {conditions}"));
        assert!(plan.contains(index) && !plan.contains("TEMP"), "{plan}");
    }
}

/// A message of no broadcast is in no index of broadcasts, however it moves.
#[tokio::test]
async fn messages_of_their_own_pay_nothing_for_broadcasts() {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let failed = faces.leased(content("o1"), NOW).await.1;
    faces.settle(&failed, answered(40_003), NOW).await;
    faces.store(content("o2"), NOW).await;
    let conn = Connection::open(place.path()).unwrap();
    let sql = "SELECT count(*) FROM messages INDEXED BY";
    for (index, within) in [
        ("messages_broadcast", ""),
        ("messages_broadcast_queued", "AND status = 0"),
        ("messages_broadcast_ended", "AND status >= 4"),
    ] {
        let sql = format!("{sql} {index} WHERE broadcast IS NOT NULL {within}");
        let count: i64 = conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{index}");
    }
}

#[tokio::test]
async fn a_long_line_of_one_recipient_is_not_written_anew_with_every_claim() {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let by = faces.join(NODE, NOW).await;
    let to_one = (0..1_000).map(|_| new(content("o1"), NOW)).collect();
    faces.take(call(to_one), NOW).await;
    let busy = Claim {
        busy: vec!["o1".into()],
        ..claim(&by, 8)
    };
    let mut claims = 0;
    while faces.claim(busy.clone(), NOW).await.more {
        claims += 1;
        assert!(claims < 20, "each claim puts off a good part of the line");
    }
    // One behind the other: a moment later a few are due, not a thousand.
    let soon = NOW.plus(Duration::from_millis(350));
    let claimed = faces.claim(busy.clone(), soon).await;
    assert!(claimed.messages.is_empty() && !claimed.more);
    let free = claim(&by, 8);
    let later = NOW.plus(Duration::from_secs(2));
    assert_eq!(faces.claim(free, later).await.messages.len(), 1);
}
