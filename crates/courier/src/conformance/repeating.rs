//! Promises of `accept` about keys: the same request is known again, as the same messages; another one is refused.

use std::collections::HashSet;

use futures::future::join_all;

use super::Adapter;
use super::fixture::{NOW, accepted, at, call, content, key, new};
use crate::message::{MessageId, Status};
use crate::port::{Accept, AcceptError, DedupeMismatch, IdempotencyKey, NewMessage};
use crate::time::UnixMs;

fn keyed(key: IdempotencyKey, count: usize) -> Accept {
    let message = |n: usize| new(content(&format!("o{n}")), NOW);
    Accept {
        idempotency: Some(key),
        ..call((0..count).map(message).collect())
    }
}

/// A message with a `client_msg_id` of the caller's.
fn named(openid: &str, name: &str, body: u8) -> NewMessage {
    let scope = format!("his clinic {openid}");
    NewMessage {
        dedupe: Some(IdempotencyKey {
            scope,
            ..key(name, body, NOW)
        }),
        ..new(content(openid), NOW)
    }
}

pub async fn a_key_answers_what_it_stored_as_it_stands_now<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let first = stores.take(keyed(key("k", 1, NOW), 2), NOW).await;
    let by = stores.join("n1", NOW).await;
    let message = stores.claim_one(&by, NOW).await;
    stores.settle(&message, accepted(1), NOW).await;
    let again = keyed(key("k", 1, NOW), 2);
    let fresh_ids: Vec<MessageId> = again.messages.iter().map(|m| m.id).collect();
    let again = stores.take(again, at(60)).await;
    let ids = |taken: &[Result<crate::port::Stored, DedupeMismatch>]| -> Vec<MessageId> {
        taken.iter().map(|one| one.unwrap().id).collect()
    };
    assert_eq!(ids(&again), ids(&first));
    assert!(again.iter().all(|one| one.unwrap().replayed));
    let of_message = again.iter().find(|one| one.unwrap().id == message.id);
    assert_eq!(of_message.unwrap().unwrap().status, Status::Sent);
    for id in fresh_ids {
        assert_eq!(stores.ledger.find(id).await.unwrap(), None);
    }
    // The same key within something else is another key.
    let elsewhere = IdempotencyKey {
        scope: "erp POST /v1/messages".into(),
        ..key("k", 2, NOW)
    };
    let taken = stores.take(keyed(elsewhere, 1), NOW).await;
    assert!(!taken[0].unwrap().replayed);
}

pub async fn a_key_with_another_body_is_refused<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.take(keyed(key("k", 1, NOW), 1), NOW).await;
    let other = keyed(key("k", 2, NOW), 1);
    let id = other.messages[0].id;
    let answer = stores.queue.accept(other, at(1)).await;
    assert!(matches!(answer, Err(AcceptError::IdempotencyMismatch)));
    assert_eq!(stores.ledger.find(id).await.unwrap(), None);
}

pub async fn a_key_is_free_again_after_its_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.take(keyed(key("k", 1, NOW), 1), NOW).await;
    let next_day = key("k", 2, NOW).expires_at;
    let taken = stores.take(keyed(key("k", 2, next_day), 1), next_day).await;
    assert!(!taken[0].unwrap().replayed);
    let taken = stores.take(keyed(key("k", 2, next_day), 1), next_day).await;
    assert!(taken[0].unwrap().replayed);
}

pub async fn a_key_is_known_after_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let first = adapter.stores().take(keyed(key("k", 1, NOW), 1), NOW).await;
    let named_first = call(vec![named("o1", "m", 1)]);
    let named_first = adapter.stores().take(named_first, NOW).await;
    let stores = adapter.reopened().await.stores();
    let again = stores.take(keyed(key("k", 1, NOW), 1), at(1)).await;
    assert_eq!(again[0].unwrap().id, first[0].unwrap().id);
    let named_again = stores.take(call(vec![named("o1", "m", 1)]), at(1)).await;
    assert_eq!(named_again[0].unwrap().id, named_first[0].unwrap().id);
}

pub async fn twins_at_the_same_time_store_once<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by_key = |_| keyed(key("k", 1, NOW), 1);
    let by_name = |_| call(vec![named("o1", "m", 1)]);
    let calls: [Vec<Accept>; 2] = [(0..8).map(by_key).collect(), (0..8).map(by_name).collect()];
    for twins in calls {
        let twins = twins.into_iter().map(|call| stores.take(call, NOW));
        let taken: Vec<_> = join_all(twins).await.into_iter().flatten().collect();
        let ids: HashSet<MessageId> = taken.iter().map(|one| one.unwrap().id).collect();
        assert_eq!(ids.len(), 1);
        let stored = taken.iter().filter(|one| !one.unwrap().replayed).count();
        assert_eq!(stored, 1);
    }
}

pub async fn a_client_msg_id_names_one_message<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let send = async |now: UnixMs| {
        let taken = stores.take(call(vec![named("o1", "m", 1)]), now).await;
        taken[0].unwrap()
    };
    let first = send(NOW).await;
    stores.ledger.cancel(first.id, None, NOW).await.unwrap();
    let again = send(at(1)).await;
    assert_eq!(again.id, first.id);
    assert!(again.replayed);
    assert_eq!(again.status, Status::Cancelled);
}

pub async fn a_client_msg_id_with_another_content_refuses_that_message_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.take(call(vec![named("o1", "m", 1)]), NOW).await;
    let messages = vec![named("o1", "m", 2), named("o2", "m", 1)];
    let ids = [messages[0].id, messages[1].id];
    let taken = stores.take(call(messages), at(1)).await;
    assert_eq!(taken[0], Err(DedupeMismatch));
    assert_eq!(taken[1].unwrap().id, ids[1]);
    assert_eq!(stores.ledger.find(ids[0]).await.unwrap(), None);
    assert_eq!(stores.status(ids[1]).await, Status::Queued);
}

pub async fn a_client_msg_id_twice_in_a_call_is_one_message<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let messages = vec![
        named("o1", "m", 1),
        named("o1", "m", 1),
        named("o1", "m", 2),
    ];
    let mut whole = Accept {
        idempotency: Some(key("whole", 1, NOW)),
        ..call(messages)
    };
    let taken = stores.take(whole, NOW).await;
    assert!(!taken[0].unwrap().replayed);
    assert_eq!(taken[1].unwrap().id, taken[0].unwrap().id);
    assert!(taken[1].unwrap().replayed);
    assert_eq!(taken[2], Err(DedupeMismatch));
    // And the whole call comes again as it was answered.
    whole = Accept {
        idempotency: Some(key("whole", 1, NOW)),
        ..call(vec![named("o1", "m", 1)])
    };
    let again = stores.take(whole, at(1)).await;
    assert_eq!(again.len(), 3);
    assert_eq!(again[2], Err(DedupeMismatch));
}
