//! Promises about recipients who get too much: their messages wait, which is no attempt, and hold nobody else up.

use std::time::Duration;

use super::Adapter;
use super::fixture::{NODE, NOW, accepted, at, claim, content, receipt};
use crate::delivery::ReceiptWord;
use crate::message::{Content, Priority, Reason, Status};
use crate::port::Claim;
use crate::recipient::RecipientLimit;

pub async fn who_gets_too_much_waits<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let limited = ReceiptWord::Failed(Reason::FrequencyLimited);
    stores.receive(receipt(7_001, "o1", limited), NOW).await;
    let id = stores.store(content("o1"), NOW).await;
    let other = stores.store(content("o2"), NOW).await;
    let by = stores.join(NODE, NOW).await;
    let claimed = stores.claim(claim(&by, 10), NOW).await;
    assert_eq!(claimed.messages.len(), 1);
    assert_eq!(claimed.messages[0].id, other);
    assert!(claimed.suppressed.is_empty());
    let waiting = stores.message(id).await.delivery;
    let waits = (Status::Queued, Some(Reason::FrequencyLimited));
    assert_eq!((waiting.status, waiting.reason), waits);
    assert_eq!(claimed.next_due, Some(waiting.due_at));
    assert_eq!(waiting.due_at, at(3_600));
    assert_eq!((waiting.retries, waiting.attempts.len()), (0, 0));
    let claimed = stores.claim(claim(&by, 10), waiting.due_at).await;
    assert_eq!(claimed.messages[0].id, id);
}

fn limited(by: &crate::port::NodeEpoch, limits: &[(usize, u64, &[Priority])]) -> Claim {
    let limits = limits
        .iter()
        .map(|(count, seconds, priorities)| RecipientLimit {
            count: *count,
            per: Duration::from_secs(*seconds),
            priorities: priorities.to_vec(),
        });
    Claim {
        limits: limits.collect(),
        ..claim(by, 10)
    }
}

pub async fn a_message_over_a_limit_waits_until_its_window_opens<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let by = stores.join(NODE, NOW).await;
    for (second, msgid) in [(0, 7_001), (10, 7_002)] {
        stores.store(content("o1"), at(second)).await;
        let claimed = stores
            .claim(limited(&by, &[(2, 60, Priority::ALL)]), at(second))
            .await;
        stores
            .settle(&claimed.messages[0], accepted(msgid), at(second))
            .await;
    }
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let by = stores.join(NODE, at(20)).await;
    let third = stores.store(content("o1"), at(20)).await;
    let not_high: &[Priority] = &[Priority::Normal, Priority::Bulk];
    let limits: &[(usize, u64, &[Priority])] = &[(2, 60, not_high)];
    let claimed = stores.claim(limited(&by, limits), at(20)).await;
    assert!(claimed.messages.is_empty() && claimed.suppressed.is_empty());
    assert_eq!(claimed.next_due, Some(at(60)), "the first has left by then");
    let waiting = stores.message(third).await.delivery;
    let waits = (Status::Queued, Some(Reason::FrequencyLimited));
    assert_eq!((waiting.status, waiting.reason), waits);
    assert_eq!((waiting.retries, waiting.attempts.len()), (0, 0));

    let urgent = Content {
        priority: Priority::High,
        ..content("o1")
    };
    let urgent = stores.store(urgent, at(20)).await;
    let other = stores.store(content("o2"), at(20)).await;
    let claimed = stores.claim(limited(&by, limits), at(20)).await;
    let ids: Vec<_> = claimed.messages.iter().map(|one| one.id).collect();
    assert_eq!(ids, [urgent, other], "whom the limit does not hold back");
    stores
        .settle(&claimed.messages[0], accepted(7_003), at(20))
        .await;
    // It counts all the same: the window opens when the second has left it.
    let claimed = stores.claim(limited(&by, limits), at(60)).await;
    assert!(claimed.messages.is_empty());
    assert_eq!(claimed.next_due, Some(at(70)));
    let claimed = stores.claim(limited(&by, limits), at(70)).await;
    assert_eq!(claimed.messages[0].id, third);
}
