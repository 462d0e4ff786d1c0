//! Promises about leases of one node: the look before the call, giving back, heartbeats, and a restart.

use super::fixture::{NODE, NOW, at, call, claim, content, lease, new, subscription};
use super::{Adapter, Stores};
use crate::delivery::{LeaseRef, Look, Outcome};
use crate::message::{Content, Message, Reason, Status};
use crate::next::SAFE_WINDOW;
use crate::port::LEASE_GRACE;
use crate::time::UnixMs;

async fn look(stores: &Stores, message: &Message, now: UnixMs) -> Look {
    stores.queue.look(lease(message), now).await.unwrap()
}

pub async fn a_look_goes_with_the_lease_in_force<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, first) = stores.leased(content("o1"), NOW).await;
    assert_eq!(look(&stores, &first, NOW).await, Look::Go);
    stores
        .queue
        .release(vec![lease(&first)], NOW)
        .await
        .unwrap();
    assert_eq!(look(&stores, &first, NOW).await, Look::LeaseGone);
    let second = stores.claim_one(&by, NOW).await;
    assert_eq!(look(&stores, &first, NOW).await, Look::LeaseGone);
    assert_eq!(look(&stores, &second, NOW).await, Look::Go);
    let unknown = LeaseRef {
        id: crate::message::MessageId::new(NOW),
        lease_seq: 1,
    };
    let answer = stores.queue.look(unknown, NOW).await.unwrap();
    assert_eq!(answer, Look::LeaseGone);
}

pub async fn a_call_that_cannot_be_repeated_is_marked_before_it_is_made<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(subscription("o1"), NOW).await;
    assert_eq!(message.delivery.call_started_at, None);
    assert_eq!(look(&stores, &message, at(1)).await, Look::Go);
    let marked = stores.message(message.id).await.delivery.call_started_at;
    assert_eq!(marked, Some(at(1)));
    let (_, message) = stores.leased(content("o2"), NOW).await;
    look(&stores, &message, at(1)).await;
    let marked = stores.message(message.id).await.delivery.call_started_at;
    assert_eq!(marked, None, "of a repeatable kind the claim is the mark");
}

pub async fn a_look_ends_what_was_cancelled_expired_or_out_of_its_window<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    stores.ledger.cancel(message.id, None, NOW).await.unwrap();
    let ended = Look::Ended(Status::Cancelled, None);
    assert_eq!(look(&stores, &message, at(1)).await, ended);
    assert_eq!(stores.status(message.id).await, Status::Cancelled);

    let mut expiring = new(content("o2"), NOW);
    expiring.expires_at = Some(at(10));
    stores.take(call(vec![expiring]), NOW).await;
    let message = stores.claim_one(&by, NOW).await;
    assert_eq!(look(&stores, &message, at(9)).await, Look::Go);
    let ended = Look::Ended(Status::Expired, None);
    assert_eq!(look(&stores, &message, at(10)).await, ended);
    assert_eq!(stores.status(message.id).await, Status::Expired);

    stores.store(content("o3"), NOW).await;
    let message = stores.claim_one(&by, NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, NOW).await;
    let message = stores.claim_one(&by, moved.due_at).await;
    let closed = NOW.plus(SAFE_WINDOW);
    let ended = Look::Ended(Status::Unconfirmed, Some(Reason::OutcomeUnknown));
    assert_eq!(look(&stores, &message, closed).await, ended);
    assert_eq!(stores.status(message.id).await, Status::Unconfirmed);
}

pub async fn a_released_lease_leaves_no_doubt<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, first) = stores.leased(content("o1"), NOW).await;
    stores
        .queue
        .release(vec![lease(&first)], at(1))
        .await
        .unwrap();
    let delivery = stores.message(first.id).await.delivery;
    assert_eq!(delivery.status, Status::Queued);
    assert_eq!((delivery.lease, delivery.doubt), (None, None));
    let second = stores.claim_one(&by, at(1)).await;
    assert_eq!(second.delivery.lease_seq, 2);
    // A former holder's release touches nobody else's lease.
    stores
        .queue
        .release(vec![lease(&first)], at(2))
        .await
        .unwrap();
    assert_eq!(stores.message(first.id).await, second);
}

pub async fn a_beat_frees_leases_that_its_node_does_not_know<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for n in 0..2 {
        stores.store(content(&format!("o{n}")), NOW).await;
    }
    let held = stores.claim(claim(&by, 2), NOW).await.messages;
    let (known, lost) = (&held[0], &held[1]);
    let beat = async |now: UnixMs| {
        let in_flight = vec![lease(known)];
        stores
            .queue
            .beat(NODE, Some(by.epoch), in_flight, now)
            .await
            .unwrap();
    };
    // The answer to the claim may still be on its way.
    beat(NOW.plus(LEASE_GRACE / 2)).await;
    assert_eq!(stores.status(lost.id).await, Status::Sending);
    beat(NOW.plus(LEASE_GRACE * 2)).await;
    let freed = stores.message(lost.id).await.delivery;
    assert_eq!((freed.status, freed.doubt), (Status::Queued, None));
    assert_eq!(stores.status(known.id).await, Status::Sending);
    assert_eq!(look(&stores, lost, at(30)).await, Look::LeaseGone);
}

/// Only who knew of a lease can have marked its call, so that is not made again whatever became of its node's memory.
pub async fn a_beat_does_not_free_a_call_that_is_marked<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(subscription("o1"), NOW).await;
    assert_eq!(look(&stores, &message, NOW).await, Look::Go);
    let later = NOW.plus(LEASE_GRACE * 2);
    let beat = stores.queue.beat(NODE, Some(by.epoch), Vec::new(), later);
    beat.await.unwrap();
    assert_eq!(stores.status(message.id).await, Status::Unconfirmed);
}

pub async fn a_beat_keeps_its_epoch<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for seconds in [5, 10, 15] {
        let beat = stores
            .queue
            .beat(NODE, Some(by.epoch), Vec::new(), at(seconds));
        assert_eq!(beat.await.unwrap(), by.epoch);
    }
}

/// A message that was leased when its node died and came back at `back`.
async fn restarted<A: Adapter>(content: Content, looked: bool, back: UnixMs) -> Message {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (by, message) = stores.leased(content, NOW).await;
    if looked {
        assert_eq!(look(&stores, &message, NOW).await, Look::Go);
    }
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let rejoined = stores.join(NODE, back).await;
    assert_ne!(rejoined.epoch, by.epoch);
    stores.message(message.id).await
}

pub async fn a_restarted_node_finds_its_former_leases_in_doubt<A: Adapter>() {
    let message = restarted::<A>(content("o1"), true, at(20)).await;
    assert_eq!(message.delivery.status, Status::Queued);
    assert_eq!(message.delivery.lease, None);
    assert_eq!(message.delivery.doubt, Some(NOW), "counted from the claim");
}

pub async fn a_lease_taken_back_after_the_window_ends_unconfirmed<A: Adapter>() {
    let message = restarted::<A>(content("o1"), true, NOW.plus(SAFE_WINDOW)).await;
    assert_eq!(message.delivery.status, Status::Unconfirmed);
}

pub async fn an_unmarked_call_that_cannot_be_repeated_is_free_again<A: Adapter>() {
    let message = restarted::<A>(subscription("o1"), false, at(20)).await;
    assert_eq!(message.delivery.status, Status::Queued);
    assert_eq!(message.delivery.doubt, None);
}

pub async fn a_marked_call_that_cannot_be_repeated_ends_unconfirmed_when_taken_back<A: Adapter>() {
    let message = restarted::<A>(subscription("o1"), true, at(20)).await;
    assert_eq!(message.delivery.status, Status::Unconfirmed);
}
