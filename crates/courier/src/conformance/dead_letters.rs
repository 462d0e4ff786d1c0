//! Promises about messages that ended badly: they are counted, and those that it cannot harm are sent again.

use super::fixture::{NOW, answered, at, call, content, new, receipt};
use super::{Adapter, Stores};
use crate::delivery::{Outcome, ReceiptWord};
use crate::message::{Content, MessageId, Reason, Status};
use crate::port::{Again, NewMessage, Sweep};

async fn failed(stores: &Stores, openid: &str, seconds: u64) -> MessageId {
    let (_, message) = stores.leased(content(openid), at(seconds)).await;
    stores.settle(&message, answered(43004), at(seconds)).await;
    message.id
}

pub async fn what_ended_badly_is_counted_by_account_and_reason<A: Adapter>() {
    let stores = A::fresh().await.stores();
    failed(&stores, "o1", 0).await;
    let last = failed(&stores, "o2", 1).await;
    let (_, doubtful) = stores.leased(content("o3"), at(2)).await;
    stores.settle(&doubtful, Outcome::InDoubt, at(2)).await;
    let far = at(2_000);
    stores
        .ledger
        .sweep(Sweep::ClosedWindows, 10, far)
        .await
        .unwrap();
    stores.sent(content("o4"), 4, at(3)).await;
    let heaps = stores.dead_letters.dead_letters(NOW).await.unwrap();
    let seen: Vec<_> = heaps
        .iter()
        .map(|heap| (heap.status, heap.reason, heap.count))
        .collect();
    let expected = [
        (Status::Failed, Some(Reason::NotSubscribed), 2),
        (Status::Unconfirmed, Some(Reason::OutcomeUnknown), 1),
    ];
    assert_eq!(seen, expected);
    assert_eq!((heaps[0].example, heaps[0].last_at), (last, at(1)));
    assert_eq!(heaps[1].example, doubtful.id);
    let heaps = stores.dead_letters.dead_letters(at(2)).await.unwrap();
    assert_eq!(heaps.len(), 1, "only what ended since");
}

pub async fn many_are_sent_again_each_when_it_is_told<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (first, second) = (
        failed(&stores, "o1", 0).await,
        failed(&stores, "o2", 0).await,
    );
    let which = [(first, 10), (second, 11)].map(|(id, due)| Again {
        id,
        due_at: at(due),
    });
    let moved = stores
        .dead_letters
        .retry_all(which.to_vec(), at(5))
        .await
        .unwrap();
    let due: Vec<_> = moved
        .iter()
        .map(|moved| moved.as_ref().unwrap().due_at)
        .collect();
    assert_eq!(due, [at(10), at(11)]);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    for again in which {
        let delivery = stores.message(again.id).await.delivery;
        assert_eq!(
            (delivery.status, delivery.due_at),
            (Status::Queued, again.due_at)
        );
    }
    assert!(
        stores
            .dead_letters
            .dead_letters(NOW)
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn what_had_better_not_be_sent_again_is_left_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let waiting = stores.store(content("o1"), NOW).await;
    let sent = stores.sent(content("o2"), 2, NOW).await.id;
    let (_, doubtful) = stores.leased(content("o3"), NOW).await;
    stores.settle(&doubtful, Outcome::InDoubt, NOW).await;
    stores
        .ledger
        .sweep(Sweep::ClosedWindows, 10, at(2_000))
        .await
        .unwrap();
    let late = Content {
        reference: Some("late".into()),
        ..content("o4")
    };
    let late = NewMessage {
        expires_at: Some(at(100)),
        ..new(late, NOW)
    };
    let late = stores.take(call(vec![late]), NOW).await[0].unwrap().id;
    stores
        .ledger
        .sweep(Sweep::Expired, 10, at(100))
        .await
        .unwrap();
    assert_eq!(stores.status(late).await, Status::Expired);
    let which = [waiting, sent, doubtful.id, late, MessageId::new(NOW)];
    let again = which
        .map(|id| Again {
            id,
            due_at: at(101),
        })
        .to_vec();
    let moved = stores.dead_letters.retry_all(again, at(101)).await.unwrap();
    assert_eq!(moved, [None, None, None, None, None]);
    assert_eq!(stores.status(doubtful.id).await, Status::Unconfirmed);
}

pub async fn what_a_receipt_failed_is_sent_again_as_another_message<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let sent = stores.sent(content("o1"), 1, NOW).await;
    let said = receipt(1, "o1", ReceiptWord::Failed(Reason::UserBlocked));
    stores.receive(said, at(1)).await;
    let again = Again {
        id: sent.id,
        due_at: at(2),
    };
    let moved = stores
        .dead_letters
        .retry_all(vec![again], at(2))
        .await
        .unwrap();
    assert!(moved[0].is_some());
    let generation = stores.message(sent.id).await.delivery.generation;
    assert_eq!(
        generation,
        sent.delivery.generation + 1,
        "else WeChat would swallow it"
    );
}
