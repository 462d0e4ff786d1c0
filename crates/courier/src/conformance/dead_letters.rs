//! Promises about messages that ended badly: they are counted, and those that it cannot harm are sent again.

use std::time::Duration;

use super::fixture::{NODE, NOW, accepted, answered, at, call, claim, content, new, receipt};
use super::recipients::{by_operator, no_more, resume};
use super::{Adapter, Stores};
use crate::broadcast::Wish;
use crate::delivery::{LeftAlone, Outcome, ReceiptWord};
use crate::kind::Extras;
use crate::message::{Content, MessageId, Reason, Status};
use crate::port::{Again, Moved, NewMessage, Sweep};
use crate::recipient::{News, Source, What};
use crate::time::UnixMs;

impl Stores {
    /// Sends messages again, the first at once and each other a second later.
    pub(super) async fn retry_all(
        &self,
        ids: &[MessageId],
        now: UnixMs,
    ) -> Vec<Result<Moved, LeftAlone>> {
        let again = Again {
            ids: ids.to_vec(),
            first_due: now,
            every: Duration::from_secs(1),
        };
        self.dead_letters.retry_all(again, now).await.unwrap()
    }
}

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
    let again = Again {
        ids: vec![first, second],
        first_due: at(10),
        every: Duration::from_secs(1),
    };
    let moved = stores.dead_letters.retry_all(again, at(5)).await.unwrap();
    let due: Vec<_> = moved
        .iter()
        .map(|moved| moved.as_ref().unwrap().due_at)
        .collect();
    assert_eq!(due, [at(10), at(11)]);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    for (id, due_at) in [(first, at(10)), (second, at(11))] {
        let delivery = stores.message(id).await.delivery;
        assert_eq!((delivery.status, delivery.due_at), (Status::Queued, due_at));
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
    let waiting = stores.store(content("o1"), at(101)).await;
    let which = [waiting, sent, doubtful.id, late, MessageId::new(NOW)];
    let moved = stores.retry_all(&which, at(101)).await;
    let left_alone = [
        LeftAlone::NotEnded,
        LeftAlone::NotEnded,
        LeftAlone::InDoubt,
        LeftAlone::Expired,
        LeftAlone::NotEnded,
    ];
    assert_eq!(moved, left_alone.map(Err));
    assert_eq!(stores.status(doubtful.id).await, Status::Unconfirmed);
}

pub async fn what_a_receipt_failed_is_sent_again_as_another_message<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let sent = stores.sent(content("o1"), 1, NOW).await;
    let said = receipt(1, "o1", ReceiptWord::Failed(Reason::UserBlocked));
    stores.receive(said, at(1)).await;
    stores.hear("o1", by_operator(resume(), at(2)), at(2)).await;
    let moved = stores.retry_all(&[sent.id], at(2)).await;
    assert!(moved[0].is_ok());
    let generation = stores.message(sent.id).await.delivery.generation;
    assert_eq!(
        generation,
        sent.delivery.generation + 1,
        "else WeChat would swallow it"
    );
}

pub async fn whoever_is_suppressed_is_left_alone_and_takes_no_place<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let overriding = Content {
        extras: Some(Box::new(Extras {
            override_suppression: true,
            ..Extras::default()
        })),
        ..content("o1")
    };
    let mut ids = vec![failed(&stores, "o1", 0).await];
    let (_, message) = stores.leased(overriding, at(0)).await;
    stores.settle(&message, answered(43004), at(0)).await;
    ids.push(message.id);
    ids.extend([
        failed(&stores, "o2", 0).await,
        failed(&stores, "o3", 0).await,
    ]);
    stores
        .hear("o1", by_operator(no_more(None), at(2)), at(2))
        .await;
    let too_much = News {
        what: What::Limited(Duration::from_secs(3_600)),
        source: Source::Errcode,
        at: at(2),
        errcode: Some(43108),
    };
    stores.hear("o2", too_much, at(2)).await;
    let stood = stores.message(ids[0]).await;
    let retried = stores.retry_all(&ids, at(3)).await;
    assert_eq!(retried[0], Err(LeftAlone::Suppressed));
    assert_eq!(stores.message(ids[0]).await, stood, "and keeps its reason");
    let due = |nth: usize| retried[nth].as_ref().map(|moved| moved.due_at);
    let overrides = due(1);
    assert_eq!(overrides, Ok(at(3)), "it goes out all the same");
    assert_eq!(due(2), Ok(at(4)), "who gets too much only waits");
    assert_eq!(due(3), Ok(at(5)));
}

pub async fn what_is_sent_again_of_a_paused_broadcast_waits_for_it<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.running(10).await;
    stores.expand(id, 0, 4, NOW).await.unwrap();
    let messages = stores.claimed(4, NOW).await;
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    for message in &messages[..3] {
        stores.settle(message, answered(47003), NOW).await;
    }
    stores.settle(&messages[3], Outcome::InDoubt, NOW).await;
    let what = Sweep::ClosedWindows;
    stores.ledger.sweep(what, 10, at(2_000)).await.unwrap();
    stores.wished(id, Wish::Pause, at(2_000)).await;
    stores.enforced(id, 10, at(2_000)).await;
    let own = failed(&stores, "another", 2_001).await;
    let many = stores.retry_all(&[ids[0], ids[1], own], at(2_002)).await;
    let held = many.iter().map(|moved| moved.as_ref().unwrap().is_held());
    assert_eq!(held.collect::<Vec<_>>(), [true, true, false]);
    for (id, force) in [(ids[2], false), (ids[3], true)] {
        let one = stores.ledger.retry(id, force, None, at(2_002)).await;
        assert!(one.unwrap().is_held());
    }
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let claimed = stores.claimed(10, at(2_010)).await;
    let sent: Vec<_> = claimed.iter().map(|message| message.id).collect();
    assert_eq!(sent, [own], "nothing of a paused broadcast");
    stores.settle(&claimed[0], accepted(1), at(2_010)).await;
    stores.wished(id, Wish::Resume, at(2_011)).await;
    assert_eq!(stores.enforced(id, 10, at(2_011)).await.changed, 4);
    let by = stores.join(NODE, at(2_012)).await;
    let going = stores.claim(claim(&by, 10), at(2_012)).await.messages;
    assert_eq!(going.len(), 4, "and then each goes on");
}
