//! Promises of receipts that name no call: a message is joined where it alone can be meant, and never by guessing.

use super::Adapter;
use super::fixture::{NODE, NOW, at, sent_event, subscription};
use super::{Stores, fixture};
use crate::delivery::Outcome;
use crate::delivery::ReceiptWord::{Failed, Success};
use crate::message::{Content, Kind, Message, MessageId, Reason, Status};
use crate::port::Sweep;
use crate::receipt::ReceiptTaken;
use crate::time::UnixMs;

const TAKEN: Outcome = Outcome::Accepted { msgid: None };

/// A subscription message that WeChat took at `now`.
async fn taken(stores: &Stores, content: Content, now: UnixMs) -> Message {
    let message = called(stores, content, now).await;
    stores.settle(&message, TAKEN, now).await;
    message
}

/// One whose call is under way.
async fn called(stores: &Stores, content: Content, now: UnixMs) -> Message {
    let (_, message) = stores.leased(content, now).await;
    let lease = crate::delivery::LeaseRef {
        id: message.id,
        lease_seq: message.delivery.lease_seq,
    };
    stores.queue.look(lease, now).await.unwrap();
    message
}

async fn joins(stores: &Stores, event: i64, seconds: i64) -> Option<MessageId> {
    let event = sent_event(event, "o1", Success, seconds);
    match stores.receive(event, at(4_000)).await {
        ReceiptTaken::Joined(id, _) => Some(id),
        ReceiptTaken::Orphan => None,
        ReceiptTaken::Known => panic!("it came before"),
    }
}

pub async fn an_event_finds_the_one_message_it_can_mean<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let message = taken(&stores, subscription("o1"), NOW).await;
    assert_eq!(joins(&stores, 71, 1).await, Some(message.id));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.status, Status::Delivered);
    assert_eq!(delivery.receipt.unwrap().status, "success");
}

pub async fn an_event_that_can_mean_two_messages_means_none<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let first = taken(&stores, subscription("o1"), NOW).await;
    let second = taken(&stores, subscription("o1"), at(5)).await;
    assert_eq!(joins(&stores, 71, 6).await, None);
    for message in [first, second] {
        assert_eq!(stores.status(message.id).await, Status::Sent);
    }
}

pub async fn an_event_means_its_own_recipient_template_account_and_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let template = |id: &str| Content {
        template_id: id.into(),
        ..subscription("o1")
    };
    let account = |name: &str| Content {
        account: name.into(),
        ..subscription("o1")
    };
    let meant = taken(&stores, subscription("o1"), at(4_000)).await;
    taken(&stores, subscription("o2"), at(4_000)).await;
    taken(&stores, template("bill"), at(4_000)).await;
    // Too long ago to be meant, as if its own receipt had been lost.
    taken(&stores, subscription("o1"), NOW).await;
    stores.store(account("school"), at(4_000)).await;
    assert_eq!(joins(&stores, 71, 4_001).await, Some(meant.id));
}

pub async fn an_event_is_not_about_a_message_that_was_not_called_by_then<A: Adapter>() {
    let stores = A::fresh().await.stores();
    taken(&stores, subscription("o1"), at(3_000)).await;
    stores.store(subscription("o1"), NOW).await;
    assert_eq!(joins(&stores, 71, 10).await, None);
}

pub async fn a_template_message_is_never_matched<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.sent(fixture::content("o1"), 5, NOW).await;
    assert_eq!(joins(&stores, 71, 1).await, None);
    // Not by an equal number either.
    assert_eq!(joins(&stores, 5, 1).await, None);
}

pub async fn an_event_before_the_answer_settles_the_call_under_way<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = called(&stores, subscription("o1"), NOW).await;
    assert_eq!(joins(&stores, 71, 0).await, Some(message.id));
    let moved = stores.settle(&message, TAKEN, at(1)).await;
    assert_eq!(moved.status, Status::Delivered);
}

pub async fn an_event_settles_what_nobody_could_tell<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = called(&stores, subscription("o1"), NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, at(1)).await;
    assert_eq!(moved.status, Status::Unconfirmed);
    assert_eq!(joins(&stores, 71, 0).await, Some(message.id));
    assert_eq!(stores.status(message.id).await, Status::Delivered);
}

pub async fn an_event_comes_twice_and_acts_once<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let first = taken(&stores, subscription("o1"), NOW).await;
    assert_eq!(joins(&stores, 71, 1).await, Some(first.id));
    let second = taken(&stores, subscription("o1"), at(2)).await;
    let again = sent_event(71, "o1", Success, 1);
    assert_eq!(stores.receive(again, at(3)).await, ReceiptTaken::Known);
    assert_eq!(stores.status(second.id).await, Status::Sent);
    // Its own event has an id of its own, and the first is out of the question by now.
    assert_eq!(joins(&stores, 72, 3).await, Some(second.id));
}

pub async fn a_failure_that_names_no_call_sends_nothing_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (nth, reason) in (0..).zip([Reason::SystemFailed, Reason::UserRefused]) {
        let openid = format!("o{nth}");
        let message = taken(&stores, subscription(&openid), NOW).await;
        let failed = sent_event(71 + nth, &openid, Failed(reason), 1);
        let told = stores.receive(failed, at(1)).await;
        assert_eq!(told, ReceiptTaken::Joined(message.id, Status::Failed));
        let delivery = stores.message(message.id).await.delivery;
        assert_eq!((delivery.reason, delivery.generation), (Some(reason), 0));
    }
}

pub async fn a_kind_without_receipts_is_over_when_it_is_sent<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let content = Content {
        kind: Kind::OneTime,
        ..subscription("o1")
    };
    let message = taken(&stores, content, NOW).await;
    let ages = at(1_000_000);
    let swept = stores.ledger.sweep(Sweep::MissingReceipts, 10, ages).await;
    assert_eq!(swept.unwrap(), []);
    assert_eq!(stores.status(message.id).await, Status::Sent);
    assert_eq!(joins(&stores, 71, 1).await, None);
}

pub async fn an_event_cannot_end_what_was_sent_again_by_force<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let message = called(&stores, subscription("o1"), NOW).await;
    stores.settle(&message, Outcome::InDoubt, at(1)).await;
    let retried = stores.ledger.retry(message.id, true, None, at(2)).await;
    retried.unwrap();
    // It may be about the former call alone.
    let failed = sent_event(71, "o1", Failed(Reason::UserRefused), 1);
    stores.receive(failed, at(3)).await;
    assert_eq!(stores.status(message.id).await, Status::Queued);
    let by = stores.join(NODE, at(4)).await;
    let anew = stores.claim_one(&by, at(4)).await;
    assert_eq!(anew.id, message.id);
    // The user has it, by whichever call.
    assert_eq!(joins(&stores, 72, 4).await, Some(message.id));
    assert_eq!(stores.status(message.id).await, Status::Delivered);
}
