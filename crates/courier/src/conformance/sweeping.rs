//! Promises of `sweep` and `prune`: what time alone does to messages, and what is forgotten when.

use std::time::Duration;

use super::Adapter;
use super::fixture::{
    ACCOUNT, NODE, NOW, POLICY, answered, at, call, content, key, new, nonce, receipt,
};
use crate::delivery::{Outcome, ReceiptWord};
use crate::message::{Content, Reason, Status};
use crate::next::SAFE_WINDOW;
use crate::port::{Accept, AcceptError, Sweep, Swept};
use crate::receipt::ReceiptTaken;

const DAY: Duration = Duration::from_secs(86_400);

pub async fn what_expired_ends<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let mut expiring = new(content("o1"), NOW);
    expiring.expires_at = Some(at(10));
    let id = expiring.id;
    stores
        .take(call(vec![expiring, new(content("o2"), NOW)]), NOW)
        .await;
    let early = stores.ledger.sweep(Sweep::Expired, 10, at(9)).await;
    assert_eq!(early.unwrap(), []);
    let swept = Swept {
        id,
        account: ACCOUNT.into(),
        status: Status::Expired,
        reason: None,
    };
    let due = stores.ledger.sweep(Sweep::Expired, 10, at(10)).await;
    assert_eq!(due.unwrap(), [swept]);
    assert_eq!(stores.status(id).await, Status::Expired);
    let again = stores.ledger.sweep(Sweep::Expired, 10, at(11)).await;
    assert_eq!(again.unwrap(), []);

    // In doubt it cannot be told that the user saw nothing.
    let mut doubtful = new(content("o3"), NOW);
    doubtful.expires_at = Some(at(10));
    let id = doubtful.id;
    stores.take(call(vec![doubtful]), NOW).await;
    let by = stores.join(NODE, NOW).await;
    for message in stores
        .claim(super::fixture::claim(&by, 10), NOW)
        .await
        .messages
    {
        stores.settle(&message, Outcome::InDoubt, NOW).await;
    }
    stores
        .ledger
        .sweep(Sweep::Expired, 10, at(10))
        .await
        .unwrap();
    assert_eq!(stores.status(id).await, Status::Unconfirmed);
}

pub async fn a_closed_window_ends_unconfirmed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, Outcome::InDoubt, NOW).await;
    let sweep = async |now| {
        let swept = stores.ledger.sweep(Sweep::ClosedWindows, 10, now).await;
        swept.unwrap().len()
    };
    assert_eq!(
        sweep(NOW.plus(SAFE_WINDOW - Duration::from_secs(1))).await,
        0
    );
    assert_eq!(stores.status(message.id).await, Status::Queued);
    assert_eq!(sweep(NOW.plus(SAFE_WINDOW)).await, 1);
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.status, Status::Unconfirmed);
    assert_eq!(delivery.reason, Some(Reason::OutcomeUnknown));
}

pub async fn a_missing_receipt_ends_unconfirmed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let due = NOW.plus(POLICY.receipt_timeout.unwrap());
    let early = due.minus(Duration::from_secs(1));
    let swept = stores.ledger.sweep(Sweep::MissingReceipts, 10, early).await;
    assert_eq!(swept.unwrap(), []);
    let swept = stores.ledger.sweep(Sweep::MissingReceipts, 10, due).await;
    assert_eq!(swept.unwrap().len(), 1);
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.status, Status::Unconfirmed);
    assert_eq!(delivery.reason, Some(Reason::ReceiptMissing));
}

pub async fn a_sweep_moves_no_more_than_it_may<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for n in 0..5 {
        let mut expiring = new(content(&format!("o{n}")), NOW);
        expiring.expires_at = Some(at(10));
        stores.take(call(vec![expiring]), NOW).await;
    }
    for moved in [2, 2, 1, 0] {
        let swept = stores.ledger.sweep(Sweep::Expired, 2, at(10)).await;
        assert_eq!(swept.unwrap().len(), moved);
    }
}

pub async fn what_ended_long_ago_is_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, failed) = stores.leased(content("old"), NOW).await;
    stores.settle(&failed, answered(43004), NOW).await;
    let delivered = stores.sent(content("read"), 1, NOW).await;
    stores
        .receive(receipt(1, "read", ReceiptWord::Success), NOW)
        .await;
    let waiting = Content {
        send_at: Some(NOW.plus(DAY * 90)),
        ..content("waiting")
    };
    let waiting = stores.store(waiting, NOW).await;
    let sent = stores.sent(content("sent"), 2, NOW).await;
    let young = stores.store(content("young"), NOW).await;
    let now = NOW.plus(DAY * 30);
    stores.ledger.cancel(young, None, now).await.unwrap();

    let before = NOW.plus(DAY);
    let mut rounds = 0;
    while stores.ledger.prune(before, 1, now).await.unwrap() > 0 {
        rounds += 1;
        assert!(rounds < 20, "it comes to an end");
    }
    assert!(rounds >= 2, "no more than one at a time was asked for");
    for gone in [failed.id, delivered.id] {
        assert_eq!(stores.ledger.find(gone).await.unwrap(), None);
    }
    for kept in [waiting, sent.id, young] {
        assert!(stores.ledger.find(kept).await.unwrap().is_some());
    }
    // What comes for it now finds nothing, and harms nobody.
    let late = receipt(1, "read", ReceiptWord::Failed(Reason::UserBlocked));
    assert_eq!(stores.receive(late, now).await, ReceiptTaken::Orphan);
}

pub async fn keys_and_nonces_are_forgotten_after_their_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let write = |now| Accept {
        nonce: Some(nonce("n", NOW)),
        idempotency: Some(key("k", 1, NOW)),
        ..call(vec![new(content("o1"), now)])
    };
    let first = stores.take(write(NOW), NOW).await;
    let young = at(599);
    stores.ledger.prune(NOW, 100, young).await.unwrap();
    let seen = stores.queue.accept(write(young), young).await;
    assert!(matches!(seen, Err(AcceptError::NonceSeen)));
    // The nonce's ten minutes are over, the key's day is not.
    let later = at(601);
    stores.ledger.prune(NOW, 100, later).await.unwrap();
    let again = stores.take(write(later), later).await;
    assert_eq!(again[0].unwrap().id, first[0].unwrap().id);
    let much_later = NOW.plus(DAY * 2);
    stores.ledger.prune(NOW, 100, much_later).await.unwrap();
    let anew = stores.take(write(much_later), much_later).await;
    assert!(!anew[0].unwrap().replayed);
}
