//! Promises of `claim`: what is leased, to whom, and in which order.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::future::join_all;

use super::fixture::{NODE, NOW, at, call, claim, content, new};
use super::{Adapter, Stores};
use crate::delivery::{Lease, Outcome};
use crate::message::{Content, Message, MessageId, Priority, Status};
use crate::port::{BUSY_RECIPIENT_PAUSE, Claim, Filter, NodeEpoch};
use crate::time::UnixMs;

fn openids(messages: &[Message]) -> Vec<&str> {
    let openids = messages.iter().map(|m| m.content.touser.as_str());
    openids.collect()
}

pub async fn a_lease_is_durable_when_it_is_answered<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let lease = Lease {
        node: NODE.into(),
        epoch: by.epoch,
        at: NOW,
    };
    assert_eq!(message.delivery.status, Status::Sending);
    assert_eq!(message.delivery.lease, Some(lease));
    assert_eq!(message.delivery.lease_seq, 1);
    assert_eq!(stores.message(message.id).await, message);
}

pub async fn only_what_is_due_is_claimed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for (openid, send_at) in [("later", at(60)), ("latest", at(90))] {
        let scheduled = Content {
            send_at: Some(send_at),
            ..content(openid)
        };
        stores.store(scheduled, NOW).await;
    }
    stores.store(content("now"), NOW).await;
    let claimed = stores.claim(claim(&by, 10), NOW).await;
    assert_eq!(openids(&claimed.messages), ["now"]);
    assert!(!claimed.more);
    assert_eq!(claimed.next_due, Some(at(60)));
    let claimed = stores.claim(claim(&by, 10), at(60)).await;
    assert_eq!(openids(&claimed.messages), ["later"]);
    assert_eq!(claimed.next_due, Some(at(90)));
    let claimed = stores.claim(claim(&by, 10), at(100)).await;
    assert_eq!(openids(&claimed.messages), ["latest"]);
    assert_eq!(claimed.next_due, None);
}

pub async fn a_claim_takes_one_accounts_messages<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let other = Content {
        account: "school".into(),
        ..content("o1")
    };
    stores.store(other, NOW).await;
    let claimed = stores.claim(claim(&by, 10), NOW).await;
    assert!(claimed.messages.is_empty() && !claimed.more);
    assert_eq!(claimed.next_due, None);
    let of_school = Claim {
        account: "school".into(),
        ..claim(&by, 10)
    };
    let claimed = stores.claim(of_school, NOW).await;
    assert_eq!(claimed.messages.len(), 1);
}

pub async fn what_waits_longest_goes_first<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for (openid, due) in [("third", 3), ("first", 1), ("second", 2)] {
        let scheduled = Content {
            send_at: Some(at(due)),
            ..content(openid)
        };
        stores.store(scheduled, NOW).await;
    }
    for openid in ["first", "second", "third"] {
        let claimed = stores.claim(claim(&by, 1), at(10)).await;
        assert_eq!(openids(&claimed.messages), [openid]);
        assert_eq!(claimed.more, openid != "third");
    }
}

async fn with_backlog<A: Adapter>(of_each: [usize; 3]) -> (Stores, NodeEpoch) {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for (priority, count) in Priority::ALL.iter().zip(of_each) {
        for n in 0..count {
            let message = Content {
                priority: *priority,
                ..content(&format!("{priority}{n}"))
            };
            stores.store(message, NOW).await;
        }
    }
    (stores, by)
}

pub async fn shares_go_by_priority_and_the_rest_to_any<A: Adapter>() {
    let count = |messages: &[Message]| {
        let of = |wanted: &Priority| {
            let found = messages.iter().filter(|m| m.content.priority == *wanted);
            found.count()
        };
        Priority::ALL.iter().map(of).collect::<Vec<_>>()
    };
    let shared = |by: &NodeEpoch, shares| Claim {
        shares,
        ..claim(by, 0)
    };
    let (stores, by) = with_backlog::<A>([5, 5, 5]).await;
    let claimed = stores.claim(shared(&by, [3, 1, 1]), NOW).await;
    assert_eq!(count(&claimed.messages), [3, 1, 1]);
    assert!(claimed.more);

    let (stores, by) = with_backlog::<A>([1, 0, 9]).await;
    let claimed = stores.claim(shared(&by, [4, 2, 1]), NOW).await;
    assert_eq!(count(&claimed.messages), [1, 0, 6], "nothing lies idle");
    assert!(claimed.more);
    let claimed = stores.claim(shared(&by, [4, 2, 1]), NOW).await;
    assert_eq!(count(&claimed.messages), [0, 0, 3]);
    assert!(!claimed.more);
}

pub async fn a_busy_recipient_waits_and_holds_nobody_up<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let waiting = stores.store(content("busy"), NOW).await;
    stores
        .store(content("idle"), NOW.plus(Duration::from_millis(1)))
        .await;
    let busy = Claim {
        busy: vec!["busy".into()],
        ..claim(&by, 1)
    };
    let now = at(1);
    let claimed = stores.claim(busy, now).await;
    assert_eq!(openids(&claimed.messages), ["idle"]);
    assert!(!claimed.more);
    let put_off = now.plus(BUSY_RECIPIENT_PAUSE);
    assert_eq!(claimed.next_due, Some(put_off));
    let message = stores.message(waiting).await;
    assert_eq!(message.delivery.status, Status::Queued);
    assert_eq!(message.delivery.due_at, put_off);
    assert_eq!(message.delivery.lease_seq, 0);
    let claimed = stores.claim(claim(&by, 1), put_off).await;
    assert_eq!(openids(&claimed.messages), ["busy"]);
}

pub async fn a_probe_rather_takes_a_message_in_doubt<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    stores.store(content("doubtful"), NOW).await;
    let doubtful = stores.claim_one(&by, NOW).await;
    stores.settle(&doubtful, Outcome::InDoubt, NOW).await;
    stores.store(content("fresh"), NOW).await;
    let probe = Claim {
        probe: true,
        ..claim(&by, 1)
    };
    // Its repeat is not due yet; but another message in doubt would be worse.
    let claimed = stores.claim(probe, at(1)).await;
    assert_eq!(openids(&claimed.messages), ["doubtful"]);
    stores
        .settle(&claimed.messages[0], Outcome::InDoubt, at(2))
        .await;
    // Any other claim takes what is due.
    let claimed = stores.claim(claim(&by, 1), at(3)).await;
    assert_eq!(openids(&claimed.messages), ["fresh"]);
}

pub async fn what_is_held_back_is_not_claimed_and_hides_nobody<A: Adapter>() {
    let (stores, by) = with_backlog::<A>([0, 3, 3]).await;
    let held = Claim {
        shares: [1, 1, 8],
        at_most: [usize::MAX, usize::MAX, 0],
        ..claim(&by, 0)
    };
    let claimed = stores.claim(held.clone(), NOW).await;
    let normal = |of: &Message| of.content.priority == Priority::Normal;
    assert_eq!(claimed.messages.len(), 3);
    assert!(claimed.messages.iter().all(normal));
    assert!(!claimed.more, "what is held back is as if it were not due");
    assert_eq!(claimed.next_due, None);
    let mut later = new(content("later"), NOW);
    later.not_before = Some(at(60));
    stores.take(call(vec![later]), NOW).await;
    let claimed = stores.claim(held, NOW).await;
    assert_eq!(claimed.next_due, Some(at(60)));
    let opened = stores.claim(claim(&by, 10), NOW).await;
    assert_eq!(opened.messages.len(), 3);
}

pub async fn what_is_left_of_a_quota_is_claimed_and_no_more<A: Adapter>() {
    let (stores, by) = with_backlog::<A>([2, 5, 5]).await;
    let left = Claim {
        shares: [1, 1, 1],
        at_most: [9, 4, 2],
        ..claim(&by, 0)
    };
    let left = Claim {
        shares: left.shares.map(|share| share * 4),
        ..left
    };
    let claimed = stores.claim(left, NOW).await;
    let count = |priority| {
        let of = claimed.messages.iter();
        of.filter(|m| m.content.priority == priority).count()
    };
    assert_eq!(
        Priority::ALL.iter().map(|p| count(*p)).collect::<Vec<_>>(),
        [2, 4, 2]
    );
    assert!(claimed.more);
}

pub async fn a_message_in_doubt_is_never_held_back<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    stores.store(content("doubtful"), NOW).await;
    let doubtful = stores.claim_one(&by, NOW).await;
    stores.settle(&doubtful, Outcome::InDoubt, NOW).await;
    stores.store(content("fresh"), NOW).await;
    let held = || Claim {
        at_most: [0; 3],
        ..claim(&by, 5)
    };
    let claimed = stores.claim(held(), at(1)).await;
    assert!(claimed.messages.is_empty(), "its repeat is not due yet");
    let claimed = stores.claim(held(), at(10)).await;
    assert_eq!(openids(&claimed.messages), ["doubtful"]);
    assert!(!claimed.more);
}

pub async fn what_is_put_off_waits<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let wished = Content {
        send_at: Some(at(10)),
        ..content("o1")
    };
    let mut put_off = new(wished, NOW);
    put_off.not_before = Some(at(60));
    let id = put_off.id;
    stores.take(call(vec![put_off]), NOW).await;
    let claimed = stores.claim(claim(&by, 1), at(59)).await;
    assert!(claimed.messages.is_empty());
    assert_eq!(claimed.next_due, Some(at(60)));
    let message = stores.message(id).await;
    assert_eq!(message.content.send_at, Some(at(10)), "the wish is kept");
    assert_eq!(stores.claim(claim(&by, 1), at(60)).await.messages.len(), 1);
}

pub async fn one_claim_takes_one_message_a_recipient<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    for _ in 0..3 {
        stores.store(content("o1"), NOW).await;
    }
    stores.store(content("o2"), NOW).await;
    let claimed = stores.claim(claim(&by, 10), NOW).await;
    let mut taken = openids(&claimed.messages);
    taken.sort_unstable();
    assert_eq!(taken, ["o1", "o2"]);
}

/// Claims as a dispatcher does while one call to `o1` hangs. Answers how many claims there were, and how many times any
/// message was put off.
async fn claims_beside_a_call(
    stores: &Stores,
    by: &NodeEpoch,
    (from, until): (UnixMs, UnixMs),
) -> (usize, usize) {
    let due_at = async || {
        let all = stores.ledger.page(Filter::default(), 1_000).await.unwrap();
        let due = all.into_iter().map(|of| (of.id, of.delivery.due_at));
        due.collect::<HashMap<_, _>>()
    };
    let (mut now, mut claims, mut put_off) = (from, 0, 0);
    let mut before = due_at().await;
    while now < until {
        let beside = Claim {
            busy: vec!["o1".into()],
            ..claim(by, 10)
        };
        let claimed = stores.claim(beside, now).await;
        assert!(claimed.messages.is_empty());
        claims += 1;
        let after = due_at().await;
        put_off += after.iter().filter(|(id, due)| before[id] != **due).count();
        before = after;
        if !claimed.more {
            now = claimed.next_due.unwrap().max(now);
        }
    }
    (claims, put_off)
}

pub async fn a_recipients_backlog_is_not_written_anew_with_every_claim<A: Adapter>() {
    const BACKLOG: usize = 500;
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let backlog = (0..BACKLOG).map(|_| new(content("o1"), NOW));
    stores.take(call(backlog.collect()), NOW).await;
    let (claims, put_off) = claims_beside_a_call(&stores, &by, (at(1), at(11))).await;
    // The line as it is found, then whoever's place comes up, every tenth of a second.
    assert!(claims <= 10 + 100, "{claims} claims in ten seconds");
    assert!(put_off <= BACKLOG + 100, "{put_off} of {BACKLOG} put off");
    // The call is over: whoever is next goes.
    let next = stores.claim(claim(&by, 10), at(12)).await;
    assert_eq!(openids(&next.messages), ["o1"]);
}

pub async fn an_urgent_message_waits_behind_no_backlog_of_its_recipient<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let of = |priority| Content {
        priority,
        ..content("o1")
    };
    let backlog = (0..500).map(|_| new(of(Priority::Bulk), NOW));
    stores.take(call(backlog.collect()), NOW).await;
    // The whole backlog is put off by now, far and wide.
    claims_beside_a_call(&stores, &by, (at(1), at(2))).await;
    let urgent = stores.store(of(Priority::High), at(2)).await;
    claims_beside_a_call(&stores, &by, (at(2), at(3))).await;
    let due_at = stores.message(urgent).await.delivery.due_at;
    assert!(due_at <= at(3).plus(BUSY_RECIPIENT_PAUSE), "{due_at:?}");
    // The call is over: the urgent one goes as soon as it is looked at.
    let next = stores.claim(claim(&by, 10), due_at).await;
    let next: Vec<MessageId> = next.messages.iter().map(|of| of.id).collect();
    assert_eq!(next, [urgent]);
}

pub async fn a_recipients_backlog_hides_nobody<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let backlog = (0..500).map(|_| new(content("o1"), NOW));
    stores.take(call(backlog.collect()), NOW).await;
    let behind = NOW.plus(Duration::from_millis(1));
    stores.store(content("behind"), behind).await;
    let mut found = Vec::new();
    for _ in 0..10 {
        let claimed = stores.claim(claim(&by, 10), at(1)).await;
        found.extend(openids(&claimed.messages).into_iter().map(str::to_owned));
        if !claimed.more {
            break;
        }
    }
    assert!(found.contains(&"behind".to_owned()), "{found:?}");
}

pub async fn nothing_is_claimed_twice<A: Adapter>() {
    let (stores, by) = with_backlog::<A>([10, 10, 10]).await;
    let claims = (0..12).map(|_| stores.claim(claim(&by, 3), NOW));
    let ids: Vec<MessageId> = join_all(claims)
        .await
        .into_iter()
        .flat_map(|claimed| claimed.messages)
        .map(|message| message.id)
        .collect();
    assert_eq!(ids.len(), 30);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 30);
}

pub async fn a_claim_on_an_epoch_that_is_not_in_force_gets_nothing<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.store(content("o1"), NOW).await;
    let by = stores.join(NODE, NOW).await;
    let gone = NodeEpoch {
        epoch: by.epoch - 1,
        ..by.clone()
    };
    let unknown = NodeEpoch {
        node: "nobody".into(),
        ..by.clone()
    };
    for stranger in [gone, unknown] {
        let claimed = stores.claim(claim(&stranger, 1), NOW).await;
        assert!(claimed.messages.is_empty(), "{stranger:?}");
    }
    let again: UnixMs = at(1);
    let rejoined = stores.join(NODE, again).await;
    let claimed = stores.claim(claim(&by, 1), again).await;
    assert!(claimed.messages.is_empty(), "its process was replaced");
    assert_eq!(stores.status(id).await, Status::Queued);
    assert_eq!(stores.claim_one(&rejoined, again).await.id, id);
}
