//! Promises of `accept`: what it answers is durable, a call is taken whole or not at all, a nonce is spent once.
//! Knows no keys (`repeating`) and no permits (`permits`).

use futures::future::join_all;

use super::Adapter;
use super::fixture::{NOW, at, call, content, new, nonce, subscription};
use crate::delivery::Delivery;
use crate::message::{Content, Message, Priority, Status};
use crate::port::{Accept, AcceptError, Nonce, Stored};

pub async fn what_is_accepted_is_kept_as_it_was_given<A: Adapter>() {
    let adapter = A::fresh().await;
    let full = Content {
        priority: Priority::High,
        url: Some("https://example.com/?q=1&r=%20".into()),
        miniprogram: Some(r#"{"appid":"wx5eed0000c0ffee01","pagepath":"a?b=c"}"#.into()),
        data: r#"{"thing1":{"value":"鸿雁 'quoted' \"twice\" 🐦"}}"#.into(),
        reference: Some("order-1".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        send_at: Some(at(60)),
        ..content("o1")
    };
    let mut first = new(full, NOW);
    first.expires_at = Some(at(120));
    let second = new(subscription("o2"), NOW);
    let kept: Vec<Message> = [(&first, at(60)), (&second, NOW)]
        .into_iter()
        .map(|(message, due)| Message {
            id: message.id,
            created_at: NOW,
            content: message.content.clone(),
            delivery: Delivery::queued(due, message.expires_at),
        })
        .collect();
    let taken = adapter.stores().take(call(vec![first, second]), NOW).await;
    for (taken, kept) in taken.iter().zip(&kept) {
        let stored = Stored {
            id: kept.id,
            status: Status::Queued,
            reason: None,
            replayed: false,
        };
        assert_eq!(*taken, Ok(stored));
    }
    let stores = adapter.reopened().await.stores();
    for kept in kept {
        assert_eq!(stores.message(kept.id).await, kept);
    }
}

pub async fn a_call_is_stored_whole_or_not_at_all<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let taken = stores.store(content("o0"), NOW).await;
    let mut poisoned = new(content("o2"), NOW);
    poisoned.id = taken;
    let good = new(content("o1"), NOW);
    let id = good.id;
    let with_nonce = |messages| Accept {
        nonce: Some(nonce("once", NOW)),
        ..call(messages)
    };
    let answer = stores.queue.accept(with_nonce(vec![good, poisoned]), NOW);
    assert!(matches!(answer.await, Err(AcceptError::Store(_))));
    assert_eq!(stores.ledger.find(id).await.unwrap(), None);
    assert_eq!(stores.message(taken).await.content.touser, "o0");
    // Nothing of it is stored, so its nonce is not spent either.
    let again = with_nonce(vec![new(content("o1"), NOW)]);
    assert!(stores.queue.accept(again, NOW).await.is_ok());
}

pub async fn a_call_that_the_store_refuses_harms_no_other<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let taken = stores.store(content("o0"), NOW).await;
    let calls = (0..20).map(|n| {
        let mut message = new(content(&format!("o{n}")), NOW);
        if n == 7 {
            message.id = taken;
        }
        stores.queue.accept(call(vec![message]), NOW)
    });
    for (n, answer) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.is_ok(), n != 7, "call {n}: {answer:?}");
    }
}

pub async fn a_nonce_is_spent_once<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let with = |nonce: Nonce| Accept {
        nonce: Some(nonce),
        ..call(vec![new(content("o1"), NOW)])
    };
    stores.take(with(nonce("n", NOW)), NOW).await;
    let again = stores.queue.accept(with(nonce("n", NOW)), at(1)).await;
    assert!(matches!(again, Err(AcceptError::NonceSeen)));
    let spent = stores.ledger.spend(nonce("n", NOW), at(1)).await;
    assert!(matches!(spent, Err(AcceptError::NonceSeen)));
    let another_owner = Nonce {
        owner: "erp".into(),
        ..nonce("n", NOW)
    };
    stores.take(with(another_owner), at(1)).await;

    let twins = (0..8).map(|_| stores.queue.accept(with(nonce("twins", NOW)), NOW));
    let taken = join_all(twins).await.into_iter().filter(Result::is_ok);
    assert_eq!(taken.count(), 1);
}

pub async fn a_nonce_is_still_spent_after_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let with_nonce = || Accept {
        nonce: Some(nonce("n", NOW)),
        ..call(vec![new(content("o1"), NOW)])
    };
    stores.take(with_nonce(), NOW).await;
    stores.ledger.spend(nonce("m", NOW), NOW).await.unwrap();
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let again = stores.queue.accept(with_nonce(), at(1)).await;
    assert!(matches!(again, Err(AcceptError::NonceSeen)));
    let again = stores.ledger.spend(nonce("m", NOW), at(1)).await;
    assert!(matches!(again, Err(AcceptError::NonceSeen)));
}

pub async fn a_nonce_bound_to_a_body_may_come_again_with_it<A: Adapter>() {
    let ledger = A::fresh().await.stores().ledger;
    let with_body = |body: Option<u8>| Nonce {
        body: body.map(|byte| [byte; 32]),
        ..nonce("url", NOW)
    };
    assert!(ledger.spend(with_body(Some(1)), NOW).await.is_ok());
    assert!(ledger.spend(with_body(Some(1)), at(5)).await.is_ok());
    for other in [Some(2), None] {
        let spent = ledger.spend(with_body(other), at(5)).await;
        assert!(matches!(spent, Err(AcceptError::NonceSeen)), "{other:?}");
    }
}
