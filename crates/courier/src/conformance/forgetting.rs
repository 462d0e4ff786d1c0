//! Promises of `prune`: what is old is forgotten, no more than was asked for at a time, and nothing else.

use std::time::Duration;

use super::broadcasting::all;
use super::fixture::{
    ACCOUNT, NOW, accepted, answered, at, call, content, key, new, nonce, receipt, settlement,
};
use super::recipients::{by_operator, event, no_more, resume};
use super::templates::{EDITED, TEXT, account, listed};
use super::{Adapter, Stores};
use crate::broadcast::port::Append;
use crate::broadcast::rows::{BadRow, Fault};
use crate::broadcast::{BroadcastId, Source, State, Wish};
use crate::delivery::{Policy, ReceiptWord};
use crate::message::{Content, MessageId, Reason, Status};
use crate::port::{Accept, AcceptError};
use crate::receipt::ReceiptTaken;
use crate::recipient::{Following, Recipient, What};
use crate::retention::Old;
use crate::time::UnixMs;

const DAY: Duration = Duration::from_secs(86_400);

impl Stores {
    async fn is_kept(&self, id: MessageId) -> bool {
        self.ledger.find(id).await.unwrap().is_some()
    }

    async fn cancelled_at(&self, openid: &str, now: UnixMs) -> MessageId {
        let id = self.store(content(openid), now).await;
        self.ledger.cancel(id, None, now).await.unwrap();
        id
    }
}

pub async fn what_ended_long_ago_is_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, failed) = stores.leased(content("old"), NOW).await;
    stores.settle(&failed, answered(43004), NOW).await;
    let delivered = stores.sent(content("read"), 1, NOW).await;
    stores
        .receive(receipt(1, "read", ReceiptWord::Success), NOW)
        .await;
    let waiting = Content {
        send_at: Some(NOW.plus(DAY * 90)),
        ..content("waiting")
    };
    let waiting = stores.store(waiting, NOW).await;
    let sent = stores.sent(content("sent"), 2, NOW).await;
    let young = stores.cancelled_at("young", NOW.plus(DAY * 30)).await;

    let before = NOW.plus(DAY);
    assert_eq!(stores.prune_messages(before).await, 2);
    for gone in [failed.id, delivered.id] {
        assert!(!stores.is_kept(gone).await);
    }
    for kept in [waiting, sent.id, young] {
        assert!(stores.is_kept(kept).await);
    }
    assert_eq!(stores.prune(Old::Receipts, before, 100).await, 1);
    // What comes for it now finds nothing, and harms nobody.
    let late = receipt(1, "read", ReceiptWord::Failed(Reason::UserBlocked));
    assert_eq!(stores.receive(late, before).await, ReceiptTaken::Orphan);
}

pub async fn each_end_is_kept_for_its_own_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let mut cancelled = Vec::new();
    for n in 0..3 {
        cancelled.push(stores.cancelled_at(&format!("o{n}"), at(n)).await);
    }
    let (_, failed) = stores.leased(content("o9"), NOW).await;
    stores.settle(&failed, answered(40_003), NOW).await;
    let old = Old::Messages(Status::Cancelled);
    // Before that moment and no later, and one at a time if that is asked for.
    for gone in [1, 1, 0] {
        assert_eq!(stores.prune(old, at(2), 1).await, gone);
    }
    assert!(
        stores.is_kept(cancelled[2]).await,
        "it ended at that very moment"
    );
    assert!(stores.is_kept(failed.id).await, "it ended elsewhere");
    let delivered = Old::Messages(Status::Delivered);
    assert_eq!(stores.prune(delivered, at(100), 100).await, 0);
    let failed = Old::Messages(Status::Failed);
    assert_eq!(stores.prune(failed, at(100), 100).await, 1);
}

/// An account without receipts awaits nothing more of what WeChat took; the others do.
pub async fn a_message_without_receipts_is_forgotten_as_sent<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let awaiting = stores.sent(content("o1"), 1, NOW).await;
    let (_, message) = stores.leased(content("o2"), NOW).await;
    let mut settled = settlement(&message, accepted(2), NOW);
    settled.policy = Policy {
        receipt_timeout: None,
        ..settled.policy
    };
    stores.queue.settle(settled, NOW).await.unwrap();
    let sent = Old::Messages(Status::Sent);
    assert_eq!(stores.prune(sent, at(1), 100).await, 1);
    assert!(!stores.is_kept(message.id).await);
    assert!(stores.is_kept(awaiting.id).await);
}

pub async fn what_was_sent_again_is_not_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(40_003), NOW).await;
    let again = stores.ledger.retry(message.id, false, None, at(1)).await;
    assert_eq!(again.unwrap().status, Status::Queued);
    assert_eq!(stores.prune_messages(at(100)).await, 0);
    assert!(stores.is_kept(message.id).await);
}

pub async fn keys_and_nonces_are_forgotten_after_their_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let write = |now| Accept {
        nonce: Some(nonce("n", NOW)),
        idempotency: Some(key("k", 1, NOW)),
        ..call(vec![new(content("o1"), now)])
    };
    let forget = async |now| {
        for what in [Old::Nonces, Old::Keys] {
            stores.prune(what, now, 100).await;
        }
    };
    let first = stores.take(write(NOW), NOW).await;
    let young = at(599);
    forget(young).await;
    let seen = stores.queue.accept(write(young), young).await;
    assert!(matches!(seen, Err(AcceptError::NonceSeen)));
    // The nonce's ten minutes are over, the key's day is not.
    let later = at(601);
    forget(later).await;
    let again = stores.take(write(later), later).await;
    assert_eq!(again[0].unwrap().id, first[0].unwrap().id);
    let much_later = NOW.plus(DAY * 2);
    forget(much_later).await;
    let anew = stores.take(write(much_later), much_later).await;
    assert!(!anew[0].unwrap().replayed);
}

pub async fn a_receipt_that_found_no_message_is_forgotten_apart<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.sent(content("ours"), 1, NOW).await;
    let ours = || receipt(1, "ours", ReceiptWord::Success);
    let foreign = |msgid| receipt(msgid, "theirs", ReceiptWord::Success);
    stores.receive(ours(), NOW).await;
    for msgid in [7, 8, 9] {
        let taken = stores.receive(foreign(msgid), NOW).await;
        assert_eq!(taken, ReceiptTaken::Orphan);
    }
    assert_eq!(stores.prune(Old::OrphanReceipts, at(1), 1).await, 1);
    assert_eq!(stores.prune(Old::OrphanReceipts, at(1), 10).await, 2);
    assert_eq!(stores.receive(ours(), at(1)).await, ReceiptTaken::Known);
    let again = stores.receive(foreign(7), at(1)).await;
    assert_eq!(again, ReceiptTaken::Orphan);
    assert_eq!(
        stores.prune(Old::Receipts, at(100), 10).await,
        1,
        "ours alone"
    );
    // A settlement still finds the receipts that wait for it.
    let met = stores.sent(content("theirs"), 7, at(2)).await;
    assert_eq!(met.delivery.status, Status::Delivered);
}

pub async fn flags_of_recipients_are_forgotten_and_no_others<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (openid, errcode) in [("o1", 43004), ("o2", 43004), ("o3", 40249)] {
        let (_, message) = stores.leased(content(openid), NOW).await;
        stores.settle(&message, answered(errcode), NOW).await;
    }
    assert_eq!(stores.prune(Old::Flags, NOW, 10).await, 0);
    assert_eq!(stores.prune(Old::Flags, at(1), 1).await, 1);
    assert_eq!(stores.prune(Old::Flags, at(1), 10).await, 1);
    let left = stores.flags().await;
    assert_eq!(left, [("appointment".to_owned(), Reason::ContentBlocked)]);
}

pub async fn a_suppression_that_ran_out_is_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let for_a_minute = What::Suppress {
        template_id: None,
        expires_at: Some(at(60)),
        note: None,
    };
    for openid in ["o1", "o2"] {
        let news = by_operator(for_a_minute.clone(), NOW);
        stores.hear(openid, news, NOW).await;
    }
    stores
        .hear("o2", by_operator(no_more(Some("t")), NOW), NOW)
        .await;
    assert_eq!(stores.prune(Old::Suppressions, at(59), 10).await, 0);
    assert_eq!(stores.prune(Old::Suppressions, at(60), 1).await, 1);
    assert_eq!(stores.prune(Old::Suppressions, at(60), 10).await, 1);
    assert_eq!(stores.known("o1").await.suppressions, []);
    let left = stores.known("o2").await.suppressions;
    assert_eq!(left.len(), 1, "the one for good");
}

pub async fn a_recipient_is_forgotten_when_nothing_decides_any_more<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let year = NOW.plus(DAY * 365);
    let spared = What::Suppress {
        template_id: None,
        expires_at: Some(year),
        note: None,
    };
    let overridden = What::Resume {
        template_id: None,
        override_until: Some(year),
    };
    let (at_once, then, never) = (0, 1, 2);
    let told = [
        ("follows", event(What::Follows, NOW), at_once),
        ("agreed", event(What::Accepts("t".into()), NOW), at_once),
        ("resumed", by_operator(resume(), NOW), at_once),
        ("spared", by_operator(spared, NOW), then),
        ("overridden", by_operator(overridden, NOW), then),
        ("left", event(What::FollowsNot, NOW), never),
        ("refuses", event(What::Refuses("t".into()), NOW), never),
        ("suppressed", by_operator(no_more(None), NOW), never),
    ];
    for (openid, news, _) in &told {
        stores.hear(openid, news.clone(), NOW).await;
    }
    // WeChat is still to be asked whether this one follows.
    let (_, doubted) = stores.leased(content("doubted"), NOW).await;
    stores.settle(&doubted, answered(43004), NOW).await;
    assert_eq!(stores.prune(Old::Recipients, NOW, 100).await, 0);
    for (nth, before) in [(at_once, at(2)), (then, year.plus(DAY))] {
        stores.prune(Old::Recipients, before, 100).await;
        for (openid, _, goes) in &told {
            let is_gone = stores.known(openid).await == Recipient::default();
            assert_eq!(is_gone, *goes <= nth, "{openid}");
        }
    }
    assert!(stores.known("doubted").await.confirm_at.is_some());
}

pub async fn a_recipient_who_was_forgotten_may_come_back<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    stores.hear("o1", by_operator(resume(), at(1)), at(1)).await;
    let year = NOW.plus(DAY * 365);
    for gone in [1, 0] {
        assert_eq!(stores.prune(Old::Recipients, year, 1).await, gone);
    }
    let goes = stores.store(content("o1"), year).await;
    assert_eq!(stores.status(goes).await, Status::Queued);
    stores.hear("o1", event(What::Follows, year), year).await;
    let known = stores.known("o1").await;
    assert_eq!(
        (known.state, known.since),
        (Following::Subscribed, Some(year))
    );
    stores
        .hear(
            "o1",
            event(What::FollowsNot, year.plus(DAY)),
            year.plus(DAY),
        )
        .await;
    let ends = stores.store(content("o1"), year.plus(DAY)).await;
    assert_eq!(stores.status(ends).await, Status::Suppressed);
}

pub async fn what_happened_to_templates_is_forgotten_and_they_are_not<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores
        .list(vec![listed("a", TEXT), listed("b", TEXT)], NOW)
        .await;
    stores
        .list(vec![listed("a", EDITED), listed("b", TEXT)], at(60))
        .await;
    assert_eq!(stores.prune(Old::TemplateHistory, at(1), 1).await, 1);
    assert_eq!(stores.prune(Old::TemplateHistory, at(1), 10).await, 1);
    let of = async |id| stores.templates.history(&account(), id, 10).await.unwrap();
    assert_eq!((of("a").await.len(), of("b").await.len()), (1, 0));
    let catalogue = stores.templates.catalogue(&ACCOUNT.into()).await.unwrap();
    assert_eq!(catalogue.templates.len(), 2);
    assert_eq!(catalogue.stops.len(), 1, "nor is what stopped");
}

/// A broadcast with so many bad rows, at its end.
async fn ended(stores: &Stores, bad: u64, now: UnixMs) -> BroadcastId {
    let id = stores.begun(Source::Rows).await;
    let line = |line| BadRow {
        line,
        fault: Fault::new("has no openid", "缺少 openid"),
    };
    let append = Append {
        bad: (2..bad + 2).map(line).collect(),
        ..all(1)
    };
    stores
        .broadcasts
        .append(id, append, None, NOW)
        .await
        .unwrap();
    stores.wished(id, Wish::Start, NOW).await;
    stores.wished(id, Wish::Cancel, now).await;
    id
}

async fn tend(stores: &Stores, id: BroadcastId, now: UnixMs) {
    while stores.broadcasts.enforce(id, 100, now).await.unwrap().more {}
}

pub async fn a_broadcast_is_forgotten_with_its_bad_rows_a_few_at_a_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let old = ended(&stores, 5, NOW).await;
    let young = ended(&stores, 5, NOW.plus(DAY * 30)).await;
    let before = NOW.plus(DAY);
    assert_eq!(
        stores.prune(Old::Broadcasts, before, 100).await,
        0,
        "it has rows to be rid of"
    );
    for id in [old, young] {
        tend(&stores, id, before).await;
    }
    for (gone, left) in [(2, 3), (2, 1)] {
        assert_eq!(stores.prune(Old::Broadcasts, before, 2).await, gone);
        let bad = stores.broadcasts.bad_rows(old, 100).await.unwrap();
        assert_eq!(bad.len(), left, "it is known until its rows are gone");
        assert!(stores.broadcasts.broadcast(old).await.unwrap().is_some());
    }
    assert_eq!(stores.prune(Old::Broadcasts, before, 2).await, 2);
    assert_eq!(stores.broadcasts.broadcast(old).await.unwrap(), None);
    assert_eq!(stores.prune(Old::Broadcasts, before, 2).await, 0);
    assert_eq!(
        stores.broadcasts.bad_rows(young, 100).await.unwrap().len(),
        5
    );
}

pub async fn a_broadcast_that_nobody_started_is_ended_and_then_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.begun(Source::Rows).await;
    assert_eq!(stores.prune(Old::Broadcasts, NOW, 10).await, 0);
    let later = NOW.plus(DAY * 90);
    assert_eq!(stores.prune(Old::Broadcasts, later, 10).await, 1);
    assert_eq!(stores.one(id).await.state, State::Cancelled);
    tend(&stores, id, later).await;
    let next = later.plus(Duration::from_secs(60));
    assert_eq!(stores.prune(Old::Broadcasts, next, 10).await, 1);
    assert_eq!(stores.broadcasts.broadcast(id).await.unwrap(), None);
}
