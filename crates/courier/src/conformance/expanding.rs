//! What broadcasts come to: messages that are made of each row once, counts that nobody counts, pauses and cancels.

use super::Adapter;
use super::broadcasting::cursor;
use super::fixture::{NODE, NOW, accepted, answered, at, call, content, lease, new, subscription};
use crate::broadcast::port::{DUE_COUNTED_MAX, Enforced, Expansion};
use crate::broadcast::rows::{BadRow, Fault};
use crate::broadcast::{BroadcastRow, Progress, Source, State, Wish};
use crate::delivery::{Look, ReceiptWord};
use crate::message::{Reason, Status};
use crate::port::{Accept, AcceptError, Filter};
use crate::time::UnixMs;

/// Rows become messages once: whoever read them at an older place stores nothing.
pub async fn a_row_becomes_one_message<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.running(10).await;
    let first = stores.expand(id, 0, 4, NOW).await.unwrap();
    let twice = stores.expand(id, 0, 4, NOW).await;
    assert!(matches!(twice, Err(AcceptError::BroadcastMoved)));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let stands = stores.one(id).await;
    assert_eq!(stands.cursor, cursor(4));
    assert_eq!((stands.progress.accepted, stands.rows_left()), (4, 6));
    stores.expand(id, 4, 10, NOW).await.unwrap();
    let filter = Filter {
        broadcast: Some(id),
        ..Filter::default()
    };
    let messages = stores.ledger.page(filter, 100).await.unwrap();
    let mut rows: Vec<_> = messages.iter().map(|one| one.content.broadcast).collect();
    rows.sort();
    let every = (0..10).map(|row| Some(BroadcastRow { id, row }));
    assert_eq!(rows, every.collect::<Vec<_>>());
    let third = stores.message(first[2]).await;
    assert_eq!(third.content.touser, "o2");
}

/// Nothing is made of a broadcast that does not run.
pub async fn only_what_runs_is_expanded<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(10).await;
    for wish in [Wish::Pause, Wish::Cancel] {
        stores.wished(id, wish, NOW).await;
        let refused = stores.expand(id, 0, 4, NOW).await;
        assert!(matches!(refused, Err(AcceptError::BroadcastMoved)));
    }
    let page = stores.ledger.page(Filter::default(), 10).await.unwrap();
    assert_eq!(page, []);
}

/// Rows that no message can be made of are counted and told, and moved past.
pub async fn a_refused_row_is_told<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(10).await;
    let refused = vec![BadRow {
        line: 4,
        fault: Fault {
            english: "data.thing1: is empty".into(),
            chinese: None,
        },
    }];
    let call = Accept {
        nonce: None,
        idempotency: None,
        messages: Vec::new(),
        broadcast: Some(Expansion {
            id,
            from: cursor(0),
            to: cursor(1),
            refused: refused.clone(),
            blanked: 0,
        }),
    };
    stores.queue.accept(call, NOW).await.unwrap();
    let stands = stores.one(id).await;
    assert_eq!((stands.progress.refused, stands.progress.accepted), (1, 0));
    assert_eq!(stands.cursor, cursor(1));
    assert_eq!(stores.broadcasts.bad_rows(id, 10).await.unwrap(), refused);
}

/// Every way that a message ends is counted for its broadcast, and nothing that happens to other messages.
pub async fn what_becomes_of_messages_is_counted<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.running(10).await;
    stores.expand(id, 0, 5, NOW).await.unwrap();
    stores.store(content("another"), at(1)).await;
    let messages = stores.claimed(6, at(1)).await;
    assert_eq!(
        stores.progress(id).await.waiting(),
        5,
        "a lease settles nothing"
    );
    for (nth, message) in messages.iter().enumerate() {
        let outcome = match nth {
            0..3 => accepted(nth as i64 + 1),
            _ => answered(40_003),
        };
        stores.settle(message, outcome, at(1)).await;
    }
    let receipt = |msgid, word| {
        let openid = &messages[usize::try_from(msgid - 1).unwrap()].content.touser;
        super::fixture::receipt(msgid, openid, word)
    };
    stores
        .receive(receipt(1, ReceiptWord::Success), at(2))
        .await;
    let blocked = ReceiptWord::Failed(Reason::UserBlocked);
    stores.receive(receipt(2, blocked), at(2)).await;
    let counted = Progress {
        accepted: 5,
        sent: 1,
        delivered: 1,
        failed: 3,
        ..Progress::default()
    };
    assert_eq!(stores.progress(id).await, counted);
    let failed = Filter {
        broadcast: Some(id),
        status: Some(Status::Failed),
        ..Filter::default()
    };
    let listed = stores.ledger.page(failed, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.progress(id).await, counted);
    // Sent again, it waits again.
    let failed = messages[3].id;
    stores
        .ledger
        .retry(failed, false, None, at(3))
        .await
        .unwrap();
    assert_eq!(stores.progress(id).await.waiting(), 1);
    // And what is forgotten stays counted.
    let far = UnixMs(NOW.0 + 90 * 86_400_000);
    assert_eq!(stores.prune_messages(far).await, 4);
    assert_eq!(stores.progress(id).await.delivered, 1);
}

/// A receipt that says that WeChat's system failed sends a message anew, but not of a broadcast that was cancelled.
pub async fn a_cancelled_broadcasts_failures_are_not_sent_anew<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(2).await;
    stores.expand(id, 0, 2, NOW).await.unwrap();
    let messages = stores.claimed(2, NOW).await;
    for (msgid, message) in (1..).zip(&messages) {
        stores.settle(message, accepted(msgid), NOW).await;
    }
    let failed = |msgid: usize| {
        let openid = &messages[msgid - 1].content.touser;
        let word = ReceiptWord::Failed(Reason::SystemFailed);
        super::fixture::receipt(i64::try_from(msgid).unwrap(), openid, word)
    };
    stores.receive(failed(1), at(1)).await;
    assert_eq!(stores.status(messages[0].id).await, Status::Queued);
    stores.wished(id, Wish::Cancel, at(2)).await;
    stores.receive(failed(2), at(3)).await;
    let delivery = stores.message(messages[1].id).await.delivery;
    assert_eq!(delivery.status, Status::Failed);
    assert_eq!(delivery.reason, Some(Reason::SystemFailed));
}

/// A call that a restart cuts off is counted as it ends, else its broadcast would never be done.
pub async fn what_a_restart_ends_is_counted<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.running(1).await;
    let mut once = subscription("o0");
    once.broadcast = Some(BroadcastRow { id, row: 0 });
    let expansion = Expansion {
        id,
        from: cursor(0),
        to: cursor(1),
        refused: Vec::new(),
        blanked: 0,
    };
    let call = Accept {
        broadcast: Some(expansion),
        ..call(vec![new(once, NOW)])
    };
    stores.queue.accept(call, NOW).await.unwrap();
    let message = stores.claimed(1, NOW).await.remove(0);
    let look = stores.queue.look(lease(&message), NOW).await;
    assert_eq!(look.unwrap(), Look::Go);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    stores.join(NODE, at(1)).await;
    assert_eq!(stores.status(message.id).await, Status::Unconfirmed);
    let progress = stores.progress(id).await;
    assert_eq!((progress.unconfirmed, progress.waiting()), (1, 0));
}

/// An operation that the store refuses leaves the counts of its neighbours alone.
pub async fn counts_survive_a_neighbour_that_is_refused<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(10).await;
    let taken = stores.expand(id, 0, 2, NOW).await.unwrap();
    let messages = stores.claimed(2, NOW).await;
    let mut clash = new(content("o9"), NOW);
    clash.id = taken[0];
    let (one, two, refused) = futures::join!(
        stores.settle(&messages[0], accepted(1), NOW),
        stores.settle(&messages[1], accepted(2), NOW),
        stores.queue.accept(super::fixture::call(vec![clash]), NOW),
    );
    assert_eq!((one.status, two.status), (Status::Sent, Status::Sent));
    assert!(matches!(refused, Err(AcceptError::Store(_))));
    assert_eq!(stores.progress(id).await.sent, 2);
}

/// Paused, no message of it is claimed, those that wait least of all; resumed, each goes on where it was.
pub async fn a_pause_holds_what_is_queued<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.running(10).await;
    stores.expand(id, 0, 5, NOW).await.unwrap();
    let other = stores.store(content("another"), NOW).await;
    stores.wished(id, Wish::Pause, at(1)).await;
    let some = stores.enforced(id, 3, at(1)).await;
    assert_eq!((some.changed, some.more), (3, true));
    let rest = stores.enforced(id, 3, at(1)).await;
    assert_eq!((rest.changed, rest.more), (2, false));
    let nothing = Enforced {
        state: Some(State::Paused),
        ..Enforced::default()
    };
    assert_eq!(stores.enforced(id, 3, at(1)).await, nothing);
    let alive = stores.broadcasts.alive(at(1)).await.unwrap();
    assert_eq!(alive[0].due, 0, "nothing is left to be held");
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let claimed = stores.claimed(10, at(2)).await;
    let ids: Vec<_> = claimed.iter().map(|one| one.id).collect();
    assert_eq!(ids, [other], "what belongs to no broadcast goes on");
    stores.settle(&claimed[0], accepted(1), at(2)).await;
    stores.wished(id, Wish::Resume, at(3)).await;
    assert_eq!(stores.enforced(id, 10, at(3)).await.changed, 5);
    assert_eq!(stores.claimed(10, at(3)).await.len(), 5);
}

/// A message in doubt is repeated although its broadcast is paused: nobody could do it later.
pub async fn a_pause_leaves_doubt_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(10).await;
    stores.expand(id, 0, 1, NOW).await.unwrap();
    let messages = stores.claimed(1, NOW).await;
    let doubt = crate::delivery::Outcome::InDoubt;
    stores.settle(&messages[0], doubt, NOW).await;
    stores.wished(id, Wish::Pause, NOW).await;
    assert_eq!(stores.enforced(id, 10, NOW).await.changed, 0);
    assert_eq!(stores.claimed(1, at(30)).await.len(), 1);
}

/// Cancelled, what waits ends, what is being sent is asked to, and its rows are forgotten in the end.
pub async fn a_cancel_ends_what_was_not_sent<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.running(10).await;
    stores.expand(id, 0, 5, NOW).await.unwrap();
    let sending = stores.claimed(1, NOW).await;
    stores.wished(id, Wish::Cancel, at(1)).await;
    let mut ended = Vec::new();
    loop {
        let enforced = stores.enforced(id, 2, at(1)).await;
        ended.extend(enforced.ended);
        if !enforced.more {
            break;
        }
    }
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|one| one.status == Status::Cancelled));
    assert_eq!(stores.progress(id).await.cancelled, 4);
    assert!(
        stores
            .message(sending[0].id)
            .await
            .delivery
            .cancel_requested
    );
    let alive = async || stores.broadcasts.alive(at(2)).await.unwrap().len();
    assert_eq!(alive().await, 1, "a call is under way");
    stores.settle(&sending[0], answered(-1), at(2)).await;
    stores.enforced(id, 2, at(3)).await;
    assert_eq!(alive().await, 0);
    let rows = stores.broadcasts.rows(id, 0, 10).await.unwrap();
    assert_eq!(rows, [0; 0]);
}

/// Whoever expands is told of what runs, with how much of it is due.
pub async fn what_is_alive_is_listed_with_what_is_due<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.begun(Source::Rows).await;
    let id = stores.running(10_000).await;
    let due = async |now| {
        let alive = stores.broadcasts.alive(now).await.unwrap();
        assert_eq!(alive.len(), 1);
        assert_eq!(alive[0].id, id);
        alive[0].due
    };
    assert_eq!(due(NOW).await, 0);
    stores.expand(id, 0, 5, at(60)).await.unwrap();
    assert_eq!(due(NOW).await, 0, "not due within a moment");
    assert_eq!(due(at(60)).await, 5);
    let mut from = 5;
    while from <= DUE_COUNTED_MAX + 200 {
        stores.expand(id, from, from + 500, at(60)).await.unwrap();
        from += 500;
    }
    assert_eq!(due(at(60)).await, DUE_COUNTED_MAX, "and counted to a bound");
    stores.wished(id, Wish::Finish, at(61)).await;
    while stores.enforced(id, 100, at(61)).await.more {}
    assert_eq!(stores.broadcasts.alive(at(62)).await.unwrap(), []);
}
