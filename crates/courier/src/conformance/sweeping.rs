//! Promises of `sweep`: what time alone does to messages.

use std::time::Duration;

use super::Adapter;
use super::fixture::{ACCOUNT, NODE, NOW, POLICY, at, call, content, new};
use crate::delivery::Outcome;
use crate::message::{Reason, Status};
use crate::next::SAFE_WINDOW;
use crate::port::{Sweep, Swept};

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
