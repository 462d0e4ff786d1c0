//! Promises of `settle`: an outcome is durable when it is answered, counts once, and never lowers a later truth.

use std::time::Duration;

use super::fixture::{
    NODE, NOW, accepted, answered, at, claim, content, receipt, settlement, subscription,
};
use super::{Adapter, Stores};
use crate::delivery::{Outcome, ReceiptWord};
use crate::message::{Content, Message, Reason, Status};
use crate::next::SAFE_WINDOW;
use crate::port::NodeEpoch;
use crate::receipt::ReceiptTaken;
use crate::time::UnixMs;

/// Two leases of one message: the former holder's, taken back by a restart of its node, and the one in force.
async fn two_holders(stores: &Stores, content: Content) -> (Message, Message, NodeEpoch) {
    let (_, former) = stores.leased(content, NOW).await;
    let by = stores.join(NODE, at(40)).await;
    let holder = stores.claim_one(&by, at(40)).await;
    assert_eq!(holder.id, former.id);
    (former, holder, by)
}

pub async fn an_acceptance_is_durable_when_it_is_answered<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    let settlement = settlement(&message, accepted(3_717_005_636_572_528_643), NOW);
    let moved = stores
        .queue
        .settle(settlement.clone(), at(1))
        .await
        .unwrap();
    assert_eq!(moved.status, Status::Sent);
    assert_eq!(moved.msgid, Some(3_717_005_636_572_528_643));
    drop(stores);
    let delivery = adapter
        .reopened()
        .await
        .stores()
        .message(message.id)
        .await
        .delivery;
    assert_eq!(delivery.status, Status::Sent);
    assert_eq!(delivery.msgid, Some(3_717_005_636_572_528_643));
    assert_eq!(delivery.receipt_due, Some(at(3_601)));
    assert_eq!(delivery.lease, None);
    assert_eq!(delivery.attempts, [settlement.attempt.unwrap()]);
}

pub async fn a_settlement_done_twice_counts_once<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (n, outcome) in [accepted(1), answered(43117), Outcome::InDoubt]
        .into_iter()
        .enumerate()
    {
        let (_, message) = stores.leased(content(&format!("o{n}")), NOW).await;
        let settlement = settlement(&message, outcome, NOW);
        let moved = stores.queue.settle(settlement.clone(), NOW).await.unwrap();
        let once = stores.message(message.id).await;
        assert_eq!(once.delivery.attempts.len(), 1);
        let again = stores.queue.settle(settlement, at(1)).await.unwrap();
        assert_eq!(again, moved);
        assert_eq!(stores.message(message.id).await, once);
        // It is out of the next claim's way.
        let _ = stores.ledger.cancel(message.id, None, at(1)).await;
    }
}

pub async fn a_refusal_ends_and_raises_its_flag<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    let moved = stores.settle(&message, answered(43004), NOW).await;
    assert_eq!(moved.status, Status::Failed);
    assert_eq!(moved.reason, Some(Reason::NotSubscribed));
    assert_eq!(
        stores.flags().await,
        [("o1".to_owned(), Reason::NotSubscribed)]
    );
}

pub async fn what_is_transient_is_tried_again_until_its_retries_are_spent<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, mut message) = stores.leased(content("o1"), NOW).await;
    let mut now = NOW;
    for retry in 1..=3 {
        let moved = stores.settle(&message, answered(43117), now).await;
        assert_eq!(moved.status, Status::Queued);
        assert!(moved.due_at > now);
        assert_eq!(stores.message(message.id).await.delivery.retries, retry);
        now = moved.due_at;
        message = stores.claim_one(&by, now).await;
    }
    let moved = stores.settle(&message, answered(43117), now).await;
    assert_eq!(moved.status, Status::Failed);
    assert_eq!(moved.reason, Some(Reason::FrequencyLimited));
}

pub async fn what_was_not_called_waits_without_a_retry<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let outcome = Outcome::NotCalled {
        until: at(30),
        reason: Reason::TokenRejected,
    };
    let moved = stores.settle(&message, outcome, NOW).await;
    assert_eq!((moved.status, moved.due_at), (Status::Queued, at(30)));
    let delivery = stores.message(message.id).await.delivery;
    assert_eq!(delivery.reason, Some(Reason::TokenRejected));
    assert_eq!((delivery.retries, delivery.doubt), (0, None));
    let claimed = stores.claim(claim(&by, 1), at(29)).await;
    assert_eq!(claimed.next_due, Some(at(30)));
}

pub async fn what_cannot_be_written_ends_unless_it_is_in_doubt<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let moved = stores.settle(&message, Outcome::Unwritable, NOW).await;
    let end = (moved.status, moved.reason);
    assert_eq!(end, (Status::Failed, Some(Reason::InvalidRequest)));

    stores.store(content("o2"), NOW).await;
    let message = stores.claim_one(&by, NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, NOW).await;
    let message = stores.claim_one(&by, moved.due_at).await;
    let moved = stores
        .settle(&message, Outcome::Unwritable, moved.due_at)
        .await;
    let end = (moved.status, moved.reason);
    assert_eq!(end, (Status::Unconfirmed, Some(Reason::OutcomeUnknown)));
}

pub async fn a_call_in_doubt_is_repeated_inside_its_window_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, mut message) = stores.leased(content("o1"), NOW).await;
    let mut now = at(3);
    let mut calls = 0;
    let moved = loop {
        let moved = stores.settle(&message, Outcome::InDoubt, now).await;
        calls += 1;
        if moved.status != Status::Queued {
            break moved;
        }
        assert!(moved.due_at < at(3).plus(SAFE_WINDOW));
        let delivery = stores.message(message.id).await.delivery;
        assert_eq!(delivery.doubt, Some(at(3)), "it counts from the first call");
        now = moved.due_at;
        message = stores.claim_one(&by, now).await;
        assert_eq!(message.delivery.generation, 0, "and keeps its wire id");
    };
    assert!(calls > 3);
    assert_eq!(moved.status, Status::Unconfirmed);
    assert_eq!(moved.reason, Some(Reason::OutcomeUnknown));
}

pub async fn a_call_that_cannot_be_repeated_ends_unconfirmed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (n, outcome) in [Outcome::InDoubt, answered(-1)].into_iter().enumerate() {
        let (_, message) = stores.leased(subscription(&format!("o{n}")), NOW).await;
        stores
            .queue
            .look(super::fixture::lease(&message), NOW)
            .await
            .unwrap();
        let moved = stores.settle(&message, outcome, at(1)).await;
        assert_eq!(moved.status, Status::Unconfirmed);
    }
}

pub async fn a_former_holders_acceptance_settles<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (former, holder, _) = two_holders(&stores, content("o1")).await;
    let moved = stores.settle(&former, accepted(7), at(41)).await;
    assert_eq!((moved.status, moved.msgid), (Status::Sent, Some(7)));
    let look = stores
        .queue
        .look(super::fixture::lease(&holder), at(42))
        .await;
    assert_eq!(look.unwrap(), crate::delivery::Look::LeaseGone);
    // What the holder's call brings by then changes nothing.
    for outcome in [answered(43004), Outcome::InDoubt, accepted(7)] {
        let moved = stores.settle(&holder, outcome, at(43)).await;
        assert_eq!((moved.status, moved.msgid), (Status::Sent, Some(7)));
    }
}

pub async fn a_former_holders_refusal_is_only_recorded<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (former, holder, _) = two_holders(&stores, content("o1")).await;
    for (seconds, outcome) in [(41, answered(43004)), (42, Outcome::InDoubt)] {
        let moved = stores.settle(&former, outcome, at(seconds)).await;
        assert_eq!(moved.status, Status::Sending);
    }
    let message = stores.message(holder.id).await;
    assert_eq!(message.delivery.attempts.len(), 2);
    assert_eq!(message.delivery.lease, holder.delivery.lease);
    let moved = stores.settle(&holder, accepted(7), at(43)).await;
    assert_eq!(moved.status, Status::Sent);
}

pub async fn an_older_generations_acceptance_only_adds_its_msgid<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, first) = stores.leased(content("o1"), NOW).await;
    // Its node dies; the message ends unconfirmed and is sent anew by force.
    let by = stores.join(NODE, at(600)).await;
    assert_eq!(stores.status(first.id).await, Status::Unconfirmed);
    stores
        .ledger
        .retry(first.id, true, None, at(601))
        .await
        .unwrap();
    let moved = stores.settle(&first, accepted(7), at(602)).await;
    assert_eq!((moved.status, moved.msgid), (Status::Queued, None));
    let second = stores.claim_one(&by, at(603)).await;
    assert_eq!(second.delivery.generation, 1);
    let moved = stores.settle(&first, accepted(7), at(604)).await;
    assert_eq!(moved.status, Status::Sending);
    // Its receipt is known as this message's.
    let taken = stores
        .receive(receipt(7, "o1", ReceiptWord::Success), at(605))
        .await;
    assert_eq!(taken, ReceiptTaken::Joined(first.id, Status::Delivered));
}

pub async fn a_settlement_never_lowers_what_a_receipt_said<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (former, holder, _) = two_holders(&stores, content("o1")).await;
    stores.settle(&former, accepted(7), at(41)).await;
    stores
        .receive(receipt(7, "o1", ReceiptWord::Success), at(42))
        .await;
    for outcome in [accepted(7), accepted(8), answered(43004), Outcome::InDoubt] {
        let moved = stores.settle(&holder, outcome, at(43)).await;
        assert_eq!(moved.status, Status::Delivered);
    }
}

async fn repeat_answered_duplicate(stores: &Stores, first_call: UnixMs) -> Status {
    let by = stores.join(NODE, first_call).await;
    let message = stores.claim_one(&by, first_call).await;
    let moved = stores.settle(&message, Outcome::InDoubt, first_call).await;
    let repeat = stores.claim_one(&by, moved.due_at).await;
    assert_eq!(repeat.id, message.id);
    let moved = stores.settle(&repeat, answered(40241), moved.due_at).await;
    moved.status
}

pub async fn a_duplicate_proves_an_acceptance_if_the_content_is_unique<A: Adapter>() {
    let stores = A::fresh().await.stores();
    // None of these is the same content to the same openid a moment ago.
    let long_ago = stores.sent(content("o1"), 1, NOW).await;
    let other_data = Content {
        data: r#"{"thing1":{"value":"else"}}"#.into(),
        ..content("o1")
    };
    stores.sent(other_data, 2, at(590)).await;
    stores.sent(content("o2"), 3, at(590)).await;
    let waiting = Content {
        send_at: Some(at(5_000)),
        ..content("o1")
    };
    stores.store(waiting, at(590)).await;
    stores.store(content("o1"), at(600)).await;
    let status = repeat_answered_duplicate(&stores, at(600)).await;
    assert_eq!(status, Status::Sent);
    assert_eq!(stores.status(long_ago.id).await, Status::Sent);
}

pub async fn a_duplicate_proves_nothing_beside_a_message_of_the_same_content<A: Adapter>() {
    // WeChat has another one of the same content.
    let stores = A::fresh().await.stores();
    stores.sent(content("o1"), 1, at(570)).await;
    stores.store(content("o1"), at(600)).await;
    let status = repeat_answered_duplicate(&stores, at(600)).await;
    assert_eq!(status, Status::Queued);

    // Another one's call is in doubt, or under way.
    for settled in [true, false] {
        let stores = A::fresh().await.stores();
        let (by, first) = stores.leased(content("o1"), at(600)).await;
        stores.store(content("o1"), at(600)).await;
        let second = stores.claim_one(&by, at(600)).await;
        if settled {
            stores.settle(&first, Outcome::InDoubt, at(600)).await;
            stores.ledger.cancel(first.id, None, at(600)).await.unwrap();
        }
        let moved = stores.settle(&second, Outcome::InDoubt, at(600)).await;
        let repeat = stores.claim_one(&by, moved.due_at).await;
        let moved = stores.settle(&repeat, answered(40241), moved.due_at).await;
        assert_eq!(moved.status, Status::Queued);
    }
}

pub async fn a_settlement_of_a_forgotten_message_is_answered<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(43004), NOW).await;
    let much_later = NOW.plus(Duration::from_secs(90 * 86_400));
    assert_eq!(stores.prune_messages(much_later).await, 1);
    assert_eq!(stores.ledger.find(message.id).await.unwrap(), None);
    // Whoever comes that late must not try again for ever.
    assert!(
        stores
            .queue
            .settle(settlement(&message, accepted(1), NOW), much_later)
            .await
            .is_ok()
    );
}
