//! Promises about several nodes on one store: leases hang on heartbeats, and a dead node's are taken back.

use std::collections::HashSet;

use futures::future::join_all;

use super::fixture::{
    NOW, accepted, answered, at, claim, content, lease, settlement, subscription,
};
use super::{Adapter, Stores};
use crate::delivery::Look;
use crate::message::{Message, MessageId, Status};
use crate::port::{LEASE_GRACE, NodeEpoch};

/// A message leased by node `a`, beside a node `b` that is well.
async fn leased_by_a(stores: &Stores, openid: &str) -> (NodeEpoch, NodeEpoch, Message) {
    stores.store(content(openid), NOW).await;
    let (a, b) = (stores.join("a", NOW).await, stores.join("b", NOW).await);
    let message = stores.claim_one(&a, NOW).await;
    (a, b, message)
}

/// Node `b` beats at 40 s and takes back what was silent for 30 s.
async fn reclaimed(stores: &Stores, b: &NodeEpoch) -> usize {
    let beat = stores.queue.beat("b", Some(b.epoch), Vec::new(), at(40));
    assert_eq!(beat.await.unwrap(), b.epoch);
    stores.queue.reclaim(at(10), at(40)).await.unwrap()
}

pub async fn nodes_never_share_a_lease<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for n in 0..30 {
        stores.store(content(&format!("o{n}")), NOW).await;
    }
    let nodes = [stores.join("a", NOW).await, stores.join("b", NOW).await];
    let claims = (0..12).map(|n| stores.claim(claim(&nodes[n % 2], 3), NOW));
    let claimed = join_all(claims).await;
    let ids: Vec<MessageId> = claimed
        .iter()
        .flat_map(|claimed| claimed.messages.iter().map(|message| message.id))
        .collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

pub async fn a_silent_nodes_leases_are_taken_back_in_doubt<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (a, b, message) = leased_by_a(&stores, "o1").await;
    stores.store(subscription("o2"), NOW).await;
    let marked = stores.claim_one(&a, NOW).await;
    stores.queue.look(lease(&marked), NOW).await.unwrap();
    stores.store(subscription("o3"), NOW).await;
    let unmarked = stores.claim_one(&a, NOW).await;
    assert_eq!(reclaimed(&stores, &b).await, 3);
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.status, Status::Queued);
    assert_eq!(delivery.doubt, Some(NOW), "counted from the claim");
    assert_eq!(stores.status(marked.id).await, Status::Unconfirmed);
    let delivery = stores.message(unmarked.id).await.delivery;
    assert_eq!((delivery.status, delivery.doubt), (Status::Queued, None));
}

pub async fn a_node_that_beats_keeps_its_leases<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (a, b, message) = leased_by_a(&stores, "o1").await;
    let in_flight = vec![lease(&message)];
    stores
        .queue
        .beat("a", Some(a.epoch), in_flight, at(35))
        .await
        .unwrap();
    assert_eq!(reclaimed(&stores, &b).await, 0);
    assert_eq!(stores.message(message.id).await, message);
}

pub async fn a_lease_of_a_gone_epoch_belongs_to_nobody<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (a, b, message) = leased_by_a(&stores, "o1").await;
    reclaimed(&stores, &b).await;
    let look = stores.queue.look(lease(&message), at(41)).await.unwrap();
    assert_eq!(look, Look::LeaseGone);
    stores.store(content("o2"), NOW).await;
    let claimed = stores.claim(claim(&a, 10), at(41)).await;
    assert!(claimed.messages.is_empty());
    let beat = stores
        .queue
        .beat("a", Some(a.epoch), vec![lease(&message)], at(41));
    let epoch = beat.await.unwrap();
    assert_ne!(epoch, a.epoch);
    let back = NodeEpoch { epoch, ..a };
    let claimed = stores.claim(claim(&back, 10), at(41)).await;
    assert_eq!(claimed.messages.len(), 2);
}

pub async fn a_beat_with_a_foreign_epoch_begins_a_new_one<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (a, _, message) = leased_by_a(&stores, "o1").await;
    // A second process of the same name: whoever beats last holds, and nothing is sent on the other's word.
    let second = stores.join("a", at(1)).await;
    assert_ne!(second.epoch, a.epoch);
    assert_eq!(stores.message(message.id).await.delivery.doubt, Some(NOW));
    let held = stores.claim_one(&second, at(1)).await;
    let beat = stores
        .queue
        .beat("a", Some(a.epoch), vec![lease(&message)], at(8));
    let third = beat.await.unwrap();
    assert!(third != a.epoch && third != second.epoch);
    let look = stores.queue.look(lease(&held), at(8)).await.unwrap();
    assert_eq!(look, Look::LeaseGone);
}

pub async fn a_dead_nodes_acceptance_settles_and_its_refusal_does_not<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, b, message) = leased_by_a(&stores, "o1").await;
    reclaimed(&stores, &b).await;
    let refusal = settlement(&message, answered(43004), at(41));
    let moved = stores.queue.settle(refusal, at(41)).await.unwrap();
    assert_eq!(moved.status, Status::Queued);
    let repeat = stores.claim_one(&b, at(41)).await;
    assert_eq!(repeat.id, message.id);
    let moved = stores.settle(&message, accepted(7), at(42)).await;
    assert_eq!((moved.status, moved.msgid), (Status::Sent, Some(7)));
    let moved = stores.settle(&repeat, accepted(7), at(43)).await;
    assert_eq!((moved.status, moved.msgid), (Status::Sent, Some(7)));
}

pub async fn a_beat_frees_no_other_nodes_leases<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, b, message) = leased_by_a(&stores, "o1").await;
    let later = NOW.plus(LEASE_GRACE * 2);
    stores
        .queue
        .beat("b", Some(b.epoch), Vec::new(), later)
        .await
        .unwrap();
    assert_eq!(stores.message(message.id).await, message);
}
