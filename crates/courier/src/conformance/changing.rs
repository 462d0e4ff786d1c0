//! Promises of `cancel` and `retry`: what a caller may ask of a message, and what it gets.

use super::Adapter;
use super::fixture::{NODE, NOW, accepted, answered, at, call, content, new, nonce, receipt};
use crate::delivery::{CancelRefused, Cancelled, Outcome, ReceiptWord, RetryRefused};
use crate::message::{MessageId, Reason, Status};
use crate::port::{ChangeError, Sweep};

pub async fn a_waiting_message_is_cancelled_at_once<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.store(content("o1"), NOW).await;
    let cancelled = stores.ledger.cancel(id, None, at(1)).await;
    assert_eq!(cancelled.unwrap(), Cancelled::Ended);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.status(id).await, Status::Cancelled);
    let by = stores.join(NODE, at(2)).await;
    let claimed = stores.claim(super::fixture::claim(&by, 1), at(2)).await;
    assert!(claimed.messages.is_empty());
}

pub async fn a_message_in_doubt_is_never_cancelled<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, Outcome::InDoubt, NOW).await;
    let cancelled = stores.ledger.cancel(message.id, None, at(1)).await;
    assert_eq!(cancelled.unwrap(), Cancelled::Ended);
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.status, Status::Unconfirmed);
    assert_eq!(delivery.reason, Some(Reason::OutcomeUnknown));
}

pub async fn a_cancel_of_a_leased_message_only_asks<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let outcomes = [
        (accepted(1), Status::Sent),
        (answered(43004), Status::Failed),
        (answered(45011), Status::Cancelled),
        (Outcome::InDoubt, Status::Unconfirmed),
    ];
    for (n, (outcome, status)) in outcomes.into_iter().enumerate() {
        let (_, message) = stores.leased(content(&format!("o{n}")), NOW).await;
        let cancelled = stores.ledger.cancel(message.id, None, NOW).await;
        assert_eq!(cancelled.unwrap(), Cancelled::Asked);
        assert_eq!(stores.status(message.id).await, Status::Sending);
        let moved = stores.settle(&message, outcome, at(1)).await;
        assert_eq!(moved.status, status);
    }
}

pub async fn what_ended_cannot_be_cancelled<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let sent = stores.sent(content("o1"), 1, NOW).await;
    let answer = stores.ledger.cancel(sent.id, None, at(1)).await;
    let refused = CancelRefused(Status::Sent);
    assert!(matches!(answer, Err(ChangeError::Refused(why)) if why == refused));
    let unknown = stores.ledger.cancel(MessageId::new(NOW), None, NOW).await;
    assert!(matches!(unknown, Err(ChangeError::NotFound)));
}

pub async fn a_failed_message_is_retried_in_its_generation<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(43004), NOW).await;
    let moved = stores
        .ledger
        .retry(message.id, false, None, at(5))
        .await
        .unwrap();
    assert_eq!((moved.status, moved.due_at), (Status::Queued, at(5)));
    let again = stores.claim_one(&by, at(5)).await;
    assert_eq!(again.id, message.id);
    assert_eq!(again.delivery.generation, 0);
    let unknown = stores
        .ledger
        .retry(MessageId::new(NOW), false, None, NOW)
        .await;
    assert!(matches!(unknown, Err(ChangeError::NotFound)));
    let answer = stores.ledger.retry(message.id, false, None, at(6)).await;
    let refused = RetryRefused::NotEnded(Status::Sending);
    assert!(matches!(answer, Err(ChangeError::Refused(why)) if why == refused));
}

pub async fn a_retry_after_a_failed_receipt_takes_a_new_generation<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let blocked = ReceiptWord::Failed(Reason::UserBlocked);
    stores.receive(receipt(1, "o1", blocked), at(1)).await;
    stores
        .ledger
        .retry(message.id, false, None, at(2))
        .await
        .unwrap();
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!((delivery.generation, delivery.msgid), (1, None));
}

pub async fn a_forced_retry_keeps_the_old_doubt<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, Outcome::InDoubt, NOW).await;
    stores.ledger.cancel(message.id, None, at(1)).await.unwrap();
    let answer = stores.ledger.retry(message.id, false, None, at(2)).await;
    let refused = RetryRefused::NeedsForce;
    assert!(matches!(answer, Err(ChangeError::Refused(why)) if why == refused));
    stores
        .ledger
        .retry(message.id, true, None, at(2))
        .await
        .unwrap();
    let forced = stores.claim_one(&by, at(2)).await;
    assert_eq!(forced.delivery.generation, 1);
    let moved = stores.settle(&forced, answered(43004), at(3)).await;
    assert_eq!(
        moved.status,
        Status::Unconfirmed,
        "the first copy may be seen"
    );
}

pub async fn a_retry_waives_an_expiry_that_passed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let mut expiring = new(content("o1"), NOW);
    expiring.expires_at = Some(at(10));
    let id = expiring.id;
    stores.take(call(vec![expiring]), NOW).await;
    stores
        .ledger
        .sweep(Sweep::Expired, 10, at(11))
        .await
        .unwrap();
    assert_eq!(stores.status(id).await, Status::Expired);
    stores.ledger.retry(id, false, None, at(12)).await.unwrap();
    let delivery = stores.message(id).await.delivery;
    assert_eq!(
        (delivery.status, delivery.expires_at),
        (Status::Queued, None)
    );
}

pub async fn a_change_spends_its_nonce<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.store(content("o1"), NOW).await;
    let once = || Some(nonce("n", NOW));
    stores.ledger.cancel(id, once(), NOW).await.unwrap();
    let again = stores.ledger.cancel(id, once(), at(1)).await;
    assert!(matches!(again, Err(ChangeError::NonceSeen)));
    let again = stores.ledger.retry(id, false, once(), at(1)).await;
    assert!(matches!(again, Err(ChangeError::NonceSeen)));
    assert_eq!(stores.status(id).await, Status::Cancelled);
}
