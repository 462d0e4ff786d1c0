//! Promises about messages that wait because their recipient gets too much: they go on when that is lifted, and not before.

use std::time::Duration;

use super::Adapter;
use super::fixture::{NODE, NOW, accepted, at, claim, content, receipt};
use super::recipients::{by_operator, resume};
use crate::delivery::ReceiptWord;
use crate::message::{Content, Reason, Status};
use crate::recipient::{News, Source, What};

pub async fn what_waited_goes_on_in_its_order_when_its_recipient_is_resumed<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let by = stores.join(NODE, NOW).await;
    let limited = |openid| {
        let news = News {
            what: What::Limited(Duration::from_secs(3_600)),
            source: Source::Receipt,
            at: NOW,
            errcode: None,
        };
        stores.hear(openid, news, NOW)
    };
    limited("o1").await;
    limited("o2").await;
    let other = stores.store(content("o2"), NOW).await;
    let first = stores.store(content("o1"), at(1)).await;
    let second = stores.store(content("o1"), at(2)).await;
    let planned = Content {
        send_at: Some(at(1_800)),
        ..content("o1")
    };
    let planned = stores.store(planned, at(2)).await;
    assert!(stores.claim(claim(&by, 9), at(3)).await.messages.is_empty());
    let waits = (Status::Queued, Some(Reason::FrequencyLimited));
    for id in [other, first, second] {
        assert_eq!(stores.stands(id).await, waits);
        assert_eq!(stores.message(id).await.delivery.due_at, at(3_600));
    }
    // What lifts nothing that they wait for lets nothing go.
    let of_a_template = What::Resume {
        template_id: Some("appointment".into()),
        override_until: None,
    };
    let heard = stores.hear("o1", by_operator(of_a_template, at(4)), at(4));
    assert_eq!(heard.await.released, 0);
    let heard = stores.hear("o1", by_operator(resume(), at(5)), at(5)).await;
    assert_eq!(heard.released, 2);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let by = stores.join(NODE, at(6)).await;
    let last = stores.store(content("o1"), at(6)).await;
    for (expected, second) in [(first, 6), (second, 7), (last, 8)] {
        let claimed = stores.claim(claim(&by, 1), at(second)).await.messages;
        assert_eq!(claimed[0].id, expected);
        assert_eq!(claimed[0].delivery.reason, None);
        stores
            .settle(&claimed[0], accepted(second as i64), at(second))
            .await;
    }
    assert_eq!(stores.stands(other).await, waits, "somebody else's");
    let due = stores.message(planned).await.delivery.due_at;
    assert_eq!(due, at(1_800), "its time has not come");
}

pub async fn what_waited_for_a_word_that_is_taken_back_goes_on<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.sent(content("o1"), 1, NOW).await;
    let limited = receipt(1, "o1", ReceiptWord::Failed(Reason::FrequencyLimited));
    stores.receive(limited, at(1)).await;
    let next = stores.store(content("o1"), at(2)).await;
    let by = stores.join(NODE, at(2)).await;
    assert!(stores.claim(claim(&by, 1), at(2)).await.messages.is_empty());
    stores
        .receive(receipt(1, "o1", ReceiptWord::Success), at(3))
        .await;
    assert_eq!(stores.claim_one(&by, at(3)).await.id, next);
}
