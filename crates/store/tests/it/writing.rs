//! The writer: many operations to a commit, a bad one fails alone, a look waits for nobody, and bounds hold.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::conformance::fixture::{NODE, NOW, call, claim, content, lease, new};
use hongyan_courier::delivery::Look;
use hongyan_courier::port::{AcceptError, Ledger, Queue, StoreError};
use hongyan_store::sqlite::SqliteStore;
use tokio::task::JoinSet;

use crate::support::{Place, faces, gated, settled};

fn spawn_accept(
    running: &mut JoinSet<Result<(), AcceptError>>,
    store: &Arc<SqliteStore>,
    messages: usize,
) {
    let store = store.clone();
    let messages = (0..messages).map(|n| new(content(&format!("o{n}")), NOW));
    let call = call(messages.collect());
    running.spawn(async move { store.accept(call, NOW).await.map(drop) });
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let mut running = JoinSet::new();
    gate.hold(true);
    spawn_accept(&mut running, &store, 1);
    settled(|| gate.commits() == 1).await;
    for _ in 0..200 {
        spawn_accept(&mut running, &store, 1);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.hold(false);
    while let Some(done) = running.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(gate.commits(), 2);
}

#[tokio::test]
async fn a_claim_sees_what_is_stored_in_its_own_transaction() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let by = faces(&store).join(NODE, NOW).await;
    let (mut running, mut claiming) = (JoinSet::new(), JoinSet::new());
    let before = gate.commits();
    gate.hold(true);
    spawn_accept(&mut running, &store, 1);
    settled(|| gate.commits() == before + 1).await;
    spawn_accept(&mut running, &store, 3);
    let claimer = store.clone();
    claiming.spawn(async move { claimer.claim(claim(&by, 8), NOW).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.hold(false);
    let claimed = claiming.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(claimed.messages.len(), 3, "one for each recipient");
    assert_eq!(gate.commits(), before + 2);
}

#[tokio::test]
async fn a_bad_operation_fails_alone() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let taken = faces(&store).store(content("o0"), NOW).await;
    let mut running = JoinSet::new();
    gate.hold(true);
    spawn_accept(&mut running, &store, 1);
    settled(|| gate.commits() == 2).await;
    for nth in 0..40 {
        let store = store.clone();
        running.spawn(async move {
            let mut message = new(content(&format!("o{nth}")), NOW);
            if nth % 10 == 5 {
                message.id = taken;
            }
            store.accept(call(vec![message]), NOW).await.map(drop)
        });
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.hold(false);
    let mut refused = 0;
    while let Some(done) = running.join_next().await {
        refused += usize::from(done.unwrap().is_err());
    }
    assert_eq!(
        (refused, gate.commits()),
        (4, 3),
        "in one transaction still"
    );
    let depths = store.depths(NOW).await.unwrap();
    assert_eq!(depths[0].queued, 1 + 1 + 36);
}

#[tokio::test]
async fn a_look_waits_for_nobody() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let (_, message) = faces(&store).leased(content("o1"), NOW).await;
    let before = gate.commits();
    let mut running = JoinSet::new();
    gate.hold(true);
    spawn_accept(&mut running, &store, 1);
    settled(|| gate.commits() > before).await;
    assert_eq!(store.look(lease(&message), NOW).await.unwrap(), Look::Go);
    let mut former = lease(&message);
    former.lease_seq -= 1;
    assert_eq!(store.look(former, NOW).await.unwrap(), Look::LeaseGone);
    gate.hold(false);
    running.join_next().await;
}

#[tokio::test]
async fn accepts_beyond_the_bound_are_refused_and_leave_nothing() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let mut running = JoinSet::new();
    gate.hold(true);
    spawn_accept(&mut running, &store, 1);
    settled(|| gate.commits() == 1).await;
    for _ in 0..50 {
        spawn_accept(&mut running, &store, 500);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    gate.hold(false);
    let (mut stored, mut refused) = (0, 0);
    while let Some(done) = running.join_next().await {
        match done.unwrap() {
            Ok(()) => stored += 1,
            Err(AcceptError::Store(StoreError::Overloaded)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        refused > 0 && stored > 1,
        "{stored} stored, {refused} refused"
    );
    let depths = store.depths(NOW).await.unwrap();
    assert_eq!(depths[0].queued, 1 + 500 * (stored - 1));
    // With the queue empty there is room again, for a large call too.
    spawn_accept(&mut running, &store, 1_000);
    running.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_nobody_waits_for_is_still_done() {
    let place = Place::new();
    let (store, gate) = gated(&place);
    let message = new(content("o1"), NOW);
    let id = message.id;
    gate.hold(true);
    let mut running = JoinSet::new();
    let accepting = store.clone();
    running.spawn(async move { accepting.accept(call(vec![message]), NOW).await.map(drop) });
    settled(|| gate.commits() == 1).await;
    running.shutdown().await;
    gate.hold(false);
    assert!(store.find(id).await.unwrap().is_some());
}

#[tokio::test]
async fn what_waits_is_counted_anew_when_the_database_is_opened() {
    let place = Place::new();
    let store = place.open_now();
    let faces = faces(&store);
    let by = faces.join(NODE, NOW).await;
    for openid in ["o1", "o2", "o3"] {
        faces.store(content(openid), NOW).await;
    }
    faces.claim_one(&by, NOW).await;
    let queued = async |store: &SqliteStore| store.depths(NOW).await.unwrap()[0].queued;
    assert_eq!(queued(&store).await, 2);
    drop((faces, store));
    // What was leased is taken back, and waits again.
    assert_eq!(queued(&place.open_now()).await, 3);
}
