//! Promises of `receive`: WeChat's later word finds its message whenever it comes, and acts once.

use super::Adapter;
use super::fixture::{NODE, NOW, accepted, answered, at, content, nonce, receipt, settlement};
use super::recipients::{by_operator, no_more};
use crate::delivery::ReceiptWord::{self, Failed, Success};
use crate::message::{Content, Reason, Status};
use crate::port::{AcceptError, Nonce, Sweep};
use crate::receipt::{NewReceipt, ReceiptTaken};

pub async fn a_success_delivers<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let taken = stores.receive(receipt(1, "o1", Success), at(1)).await;
    assert_eq!(taken, ReceiptTaken::Joined(message.id, Status::Delivered));
    drop(stores);
    let delivery = adapter
        .reopened()
        .await
        .stores()
        .message(message.id)
        .await
        .delivery;
    assert_eq!(delivery.status, Status::Delivered);
    let kept = delivery.receipt.unwrap();
    assert_eq!((kept.status.as_str(), kept.at), ("success", at(1)));
}

pub async fn a_failure_fails_and_flags<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let blocked = receipt(1, "o1", Failed(Reason::UserBlocked));
    let taken = stores.receive(blocked, at(1)).await;
    assert_eq!(taken, ReceiptTaken::Joined(message.id, Status::Failed));
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.reason, Some(Reason::UserBlocked));
    assert_eq!(
        stores.flags().await,
        [("o1".to_owned(), Reason::UserBlocked)]
    );
}

pub async fn a_system_failure_sends_anew_as_a_new_generation<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let failed = receipt(1, "o1", Failed(Reason::SystemFailed));
    stores.receive(failed, at(1)).await;
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!((delivery.status, delivery.generation), (Status::Queued, 1));
    assert!(delivery.due_at > at(1));
    // The settings allow one; the second generation's failure is the end.
    let by = stores.join(NODE, delivery.due_at).await;
    let anew = stores.claim_one(&by, delivery.due_at).await;
    stores.settle(&anew, accepted(2), delivery.due_at).await;
    let failed = receipt(2, "o1", Failed(Reason::SystemFailed));
    let taken = stores.receive(failed, at(100)).await;
    assert_eq!(taken, ReceiptTaken::Joined(message.id, Status::Failed));
}

pub async fn the_same_receipt_acts_once<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let failed = || receipt(1, "o1", Failed(Reason::SystemFailed));
    stores.receive(failed(), at(1)).await;
    let once = stores.message(message.id).await;
    assert_eq!(stores.receive(failed(), at(2)).await, ReceiptTaken::Known);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.receive(failed(), at(3)).await, ReceiptTaken::Known);
    assert_eq!(stores.message(message.id).await, once);
    // An orphan comes twice too.
    let orphan = || receipt(99, "o9", Success);
    assert_eq!(stores.receive(orphan(), at(4)).await, ReceiptTaken::Orphan);
    assert_eq!(stores.receive(orphan(), at(5)).await, ReceiptTaken::Known);
}

pub async fn a_receipt_before_its_msgid_is_kept_until_it_comes<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let words = [
        (Success, Status::Delivered),
        (Failed(Reason::UserBlocked), Status::Failed),
    ];
    for (msgid, (word, status)) in (1_i64..).zip(words) {
        let openid = format!("o{msgid}");
        let (_, message) = stores.leased(content(&openid), NOW).await;
        let early = stores.receive(receipt(msgid, &openid, word), NOW).await;
        assert_eq!(early, ReceiptTaken::Orphan);
        assert_eq!(stores.status(message.id).await, Status::Sending);
        let moved = stores.settle(&message, accepted(msgid), at(1)).await;
        assert_eq!(moved.status, status);
        assert_eq!(stores.status(message.id).await, status);
    }
}

pub async fn a_kept_receipt_survives_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.receive(receipt(1, "o1", Success), NOW).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let settlement = settlement(&message, accepted(1), NOW);
    let moved = stores.queue.settle(settlement, at(1)).await.unwrap();
    assert_eq!(moved.status, Status::Delivered);
}

pub async fn a_receipt_and_its_settlement_at_once_find_each_other<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for msgid in 1..=20 {
        let openid = format!("o{msgid}");
        let (_, message) = stores.leased(content(&openid), NOW).await;
        let settling = stores.settle(&message, accepted(msgid), NOW);
        let receiving = stores.receive(receipt(msgid, &openid, Success), NOW);
        futures::future::join(settling, receiving).await;
        stores.join_orphans(at(1)).await;
        assert_eq!(stores.status(message.id).await, Status::Delivered);
    }
}

/// Words of which the success wins, in every order.
const CONTRADICTIONS: [[ReceiptWord; 2]; 5] = [
    [Success, Failed(Reason::UserBlocked)],
    [Failed(Reason::UserBlocked), Success],
    [Success, Failed(Reason::FrequencyLimited)],
    [Failed(Reason::FrequencyLimited), Success],
    [Failed(Reason::SystemFailed), Success],
];

pub async fn a_success_outweighs_a_failure<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (msgid, words) in (1..).zip(CONTRADICTIONS) {
        let openid = format!("o{msgid}");
        let message = stores.sent(content(&openid), msgid, NOW).await;
        for (word, second) in words.into_iter().zip(1..) {
            let told = receipt(msgid, &openid, word);
            stores.receive(told, at(second)).await;
        }
        assert_eq!(stores.status(message.id).await, Status::Delivered);
        // What it had said of the recipient counts no more either.
        let known = stores.known(&openid).await;
        assert_eq!(known.suppressions, [], "{words:?}");
    }
}

pub async fn a_success_outweighs_a_failure_that_came_before_the_msgid<A: Adapter>() {
    let adapter = A::fresh().await;
    let mut stores = adapter.stores();
    let mut leased = Vec::new();
    for (msgid, words) in (1..).zip(CONTRADICTIONS) {
        let openid = format!("o{msgid}");
        let (_, message) = stores.leased(content(&openid), NOW).await;
        for (word, second) in words.into_iter().zip(1..) {
            let told = receipt(msgid, &openid, word);
            assert_eq!(stores.receive(told, at(second)).await, ReceiptTaken::Orphan);
        }
        leased.push((msgid, message));
    }
    drop(stores);
    stores = adapter.reopened().await.stores();
    for (msgid, message) in leased {
        let moved = stores.settle(&message, accepted(msgid), at(3)).await;
        assert_eq!(moved.status, Status::Delivered);
        let known = stores.known(&message.content.touser).await;
        assert_eq!(known.suppressions, []);
    }
}

pub async fn a_success_takes_back_its_own_failures_word_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let blocked = |msgid, openid| receipt(msgid, openid, Failed(Reason::UserBlocked));
    for (msgid, openid) in [(1, "o1"), (2, "o1"), (3, "o2"), (4, "o3")] {
        stores.sent(content(openid), msgid, NOW).await;
    }
    stores.receive(blocked(1, "o1"), at(1)).await;
    // A later receipt says it again, of another message.
    stores.receive(blocked(2, "o1"), at(2)).await;
    stores.receive(blocked(3, "o2"), at(1)).await;
    stores
        .hear("o2", by_operator(no_more(None), at(2)), at(2))
        .await;
    // An answer to a send says the same, by the same word.
    stores.receive(blocked(4, "o3"), at(1)).await;
    let (_, message) = stores.leased(content("o4"), at(2)).await;
    stores.settle(&message, answered(43019), at(2)).await;
    for (msgid, openid) in [(1, "o1"), (3, "o2"), (4, "o3")] {
        stores.receive(receipt(msgid, openid, Success), at(3)).await;
    }
    for (openid, stands) in [
        ("o1", Some(Reason::UserBlocked)),
        ("o2", Some(Reason::SuppressedByOperator)),
        ("o3", None),
        ("o4", Some(Reason::UserBlocked)),
    ] {
        let known = stores.known(openid).await.suppressions;
        let reasons: Vec<_> = known.iter().map(|one| one.reason).collect();
        assert_eq!(reasons, Vec::from_iter(stands), "{openid}");
    }
}

pub async fn a_success_that_is_said_twice_stands_as_it_was<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let again = NewReceipt {
        create_time: NOW.0 / 1_000 + 9,
        ..receipt(1, "o1", Success)
    };
    let between = receipt(1, "o1", Failed(Reason::UserBlocked));
    for (told, second) in [(receipt(1, "o1", Success), 1), (between, 2), (again, 9)] {
        stores.receive(told, at(second)).await;
    }
    let kept = stores.message(message.id).await.delivery.receipt.unwrap();
    assert_eq!((kept.status.as_str(), kept.at), ("success", at(1)));
    assert_eq!(kept.outweighed, ["failed:user block"]);
}

pub async fn a_receipt_for_another_openid_is_not_joined<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let (_, leased) = stores.leased(content("o3"), NOW).await;
    for (msgid, openid) in [(1, "o2"), (2, "o4")] {
        let blocked = receipt(msgid, openid, Failed(Reason::UserBlocked));
        let taken = stores.receive(blocked, at(1)).await;
        assert_eq!(taken, ReceiptTaken::Orphan);
    }
    stores.settle(&leased, accepted(2), at(2)).await;
    stores.join_orphans(at(2)).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    for id in [message.id, leased.id] {
        assert_eq!(stores.status(id).await, Status::Sent);
        assert_eq!(stores.message(id).await.delivery.receipt, None);
    }
    assert_eq!(stores.known("o1").await.suppressions, []);
    assert_eq!(stores.known("o2").await.suppressions.len(), 1);
    let own = stores.receive(receipt(1, "o1", Success), at(3)).await;
    assert_eq!(own, ReceiptTaken::Joined(message.id, Status::Delivered));
}

pub async fn an_older_generations_failure_is_only_recorded<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let missing = NOW.plus(super::fixture::POLICY.receipt_timeout.unwrap());
    stores
        .ledger
        .sweep(Sweep::MissingReceipts, 10, missing)
        .await
        .unwrap();
    stores
        .ledger
        .retry(message.id, true, None, missing)
        .await
        .unwrap();
    let by = stores.join(NODE, missing).await;
    let anew = stores.claim_one(&by, missing).await;
    stores.settle(&anew, accepted(2), missing).await;
    let late = receipt(1, "o1", Failed(Reason::UserBlocked));
    let taken = stores.receive(late, missing).await;
    assert_eq!(taken, ReceiptTaken::Joined(message.id, Status::Sent));
    assert_eq!(stores.known("o1").await.suppressions, []);
}

pub async fn a_late_receipt_settles_but_never_sends_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let words = [
        (Success, Status::Delivered),
        (Failed(Reason::SystemFailed), Status::Failed),
    ];
    for (msgid, (word, status)) in (1_i64..).zip(words) {
        let openid = format!("o{msgid}");
        let message = stores.sent(content(&openid), msgid, NOW).await;
        let missing = NOW.plus(super::fixture::POLICY.receipt_timeout.unwrap());
        let swept = stores
            .ledger
            .sweep(Sweep::MissingReceipts, 10, missing)
            .await;
        assert_eq!(swept.unwrap().len(), 1);
        assert_eq!(stores.status(message.id).await, Status::Unconfirmed);
        stores
            .receive(receipt(msgid, &openid, word), at(9_000))
            .await;
        assert_eq!(stores.status(message.id).await, status);
    }
}

pub async fn a_msgid_belongs_to_its_account<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let elsewhere = NewReceipt {
        account: "school".into(),
        ..receipt(1, "o1", Success)
    };
    assert_eq!(stores.receive(elsewhere, at(1)).await, ReceiptTaken::Orphan);
    assert_eq!(stores.status(message.id).await, Status::Sent);
    let other = Content {
        account: "bank".into(),
        ..content("o1")
    };
    stores.store(other, NOW).await;
    stores.join_orphans(at(2)).await;
    assert_eq!(stores.status(message.id).await, Status::Sent);
}

pub async fn a_callback_url_with_another_body_is_refused<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = stores.sent(content("o1"), 1, NOW).await;
    let url = |body: u8| {
        Some(Nonce {
            owner: "callback:clinic".into(),
            body: Some([body; 32]),
            ..nonce("n", NOW)
        })
    };
    let blocked = || receipt(1, "o1", Failed(Reason::UserBlocked));
    let replayed = stores.ledger.receive(blocked(), url(1), at(1)).await;
    assert!(matches!(replayed, Ok(ReceiptTaken::Joined(..))));
    // WeChat itself delivers again, with the same URL and body.
    let again = stores.ledger.receive(blocked(), url(1), at(2)).await;
    assert_eq!(again.unwrap(), ReceiptTaken::Known);
    let forged = receipt(1, "o1", Success);
    let answer = stores.ledger.receive(forged, url(2), at(3)).await;
    assert!(matches!(answer, Err(AcceptError::NonceSeen)));
    assert_eq!(stores.status(message.id).await, Status::Failed);
}
