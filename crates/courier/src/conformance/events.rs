//! Promises of `outbox`: an event for each move that a webhook wants to be told of, posted until it is taken or given up.

use std::time::Duration;

use super::fixture::{
    NODE, NOW, accepted, answered, at, call, content, new, nonce, receipt, subscription,
};
use super::{Adapter, Stores};
use crate::delivery::ReceiptWord;
use crate::message::{Content, Status};
use crate::port::AcceptError;
use crate::retention::Old;
use crate::time::UnixMs;
use crate::webhook::{
    Again, Backlog, EventId, EventState, GIVE_UP_AFTER, Subscription, TAKEN_FOR, TOLD, Taken,
    Verdict,
};

const DAY: Duration = Duration::from_secs(86_400);

fn hook(name: &str) -> Subscription {
    Subscription {
        name: name.into(),
        client: "his".into(),
        statuses: TOLD.to_vec(),
        accounts: Vec::new(),
    }
}

impl Stores {
    async fn hooked(&self, webhooks: &[Subscription]) {
        self.outbox.subscribe(webhooks.to_vec()).await.unwrap();
    }

    async fn events_due(&self, webhook: &str, now: UnixMs) -> Vec<Taken> {
        self.outbox.take(webhook, 100, now).await.unwrap()
    }

    async fn tried(&self, id: EventId, verdict: Verdict, now: UnixMs) {
        self.outbox.tried(vec![(id, verdict)], now).await.unwrap();
    }

    async fn off_since(&self, webhook: &str) -> Option<UnixMs> {
        let backlogs = self.outbox.backlogs().await.unwrap();
        let of = backlogs.iter().find(|of| of.webhook == webhook);
        of.unwrap().off_since
    }

    async fn cancelled(&self, openid: &str, now: UnixMs) {
        let id = self.store(content(openid), now).await;
        self.ledger.cancel(id, None, now).await.unwrap();
    }
}

fn statuses(taken: &[Taken]) -> Vec<Status> {
    taken.iter().map(|one| one.event.status).collect()
}

fn again(at: UnixMs) -> Verdict {
    let why = "HTTP 500".to_owned();
    Verdict::Again { at, why }
}

fn given_up() -> Verdict {
    let why = "HTTP 400".to_owned();
    Verdict::GivenUp { why }
}

fn gone() -> Verdict {
    let why = "HTTP 410".to_owned();
    Verdict::Gone { why }
}

pub async fn a_move_leaves_an_event_for_those_who_want_it<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let ends = Subscription {
        statuses: vec![Status::Delivered],
        ..hook("ends")
    };
    let strangers = Subscription {
        client: "stranger".into(),
        ..hook("strangers")
    };
    let school = Subscription {
        accounts: vec!["school".into()],
        ..hook("school")
    };
    stores.hooked(&[hook("all"), ends, strangers, school]).await;
    let sent = stores.sent(content("o1"), 7, NOW).await;
    stores
        .receive(receipt(7, "o1", ReceiptWord::Success), at(1))
        .await;
    let all = stores.events_due("all", at(1)).await;
    assert_eq!(statuses(&all), [Status::Sent, Status::Delivered]);
    assert_eq!(all[0].event.message, sent.id);
    assert_eq!(all[0].event.msgid, Some(7));
    assert_eq!((all[0].event.at, all[1].event.at), (NOW, at(1)));
    assert_eq!(all[0].tries, 1);
    let message = all[0].message.as_ref().unwrap();
    assert_eq!(message.delivery.status, Status::Delivered);
    let ends = stores.events_due("ends", at(1)).await;
    assert_eq!(statuses(&ends), [Status::Delivered]);
    assert_ne!(ends[0].event.id, all[1].event.id);
    for nobodys in ["strangers", "school", "unheard of"] {
        assert!(stores.events_due(nobodys, at(1)).await.is_empty());
    }
}

pub async fn what_stays_where_it_was_leaves_no_event<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(-1), NOW).await;
    assert!(stores.events_due("all", NOW).await.is_empty());
    let sent = stores.sent(content("o2"), 7, NOW).await;
    stores.settle(&sent, accepted(7), at(1)).await;
    let due = stores.events_due("all", at(1)).await;
    assert_eq!(statuses(&due), [Status::Sent]);
}

pub async fn what_a_restart_ends_is_told_of<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.hooked(&[hook("all")]).await;
    let (_, message) = stores.leased(subscription("o1"), NOW).await;
    let lease = super::fixture::lease(&message);
    stores.queue.look(lease, NOW).await.unwrap();
    drop(stores);
    let stores = adapter.reopened().await.stores();
    stores.join(NODE, at(1)).await;
    let due = stores.events_due("all", at(1)).await;
    assert_eq!(statuses(&due), [Status::Unconfirmed]);
}

pub async fn an_event_survives_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.hooked(&[hook("all")]).await;
    stores.cancelled("o1", NOW).await;
    let taken = stores.events_due("all", NOW).await;
    let id = taken[0].event.id;
    stores.tried(id, again(at(5)), NOW).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert!(stores.events_due("all", at(4)).await.is_empty());
    let again = stores.events_due("all", at(5)).await;
    assert_eq!(again[0].event, taken[0].event);
    assert_eq!(again[0].tries, 2);
}

pub async fn a_taken_event_is_nobody_elses_for_a_while<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    stores.cancelled("o1", NOW).await;
    let first = stores.events_due("all", NOW).await;
    assert_eq!(first.len(), 1);
    assert!(stores.events_due("all", at(1)).await.is_empty());
    let later = NOW.plus(TAKEN_FOR);
    let second = stores.events_due("all", later).await;
    assert_eq!(second[0].event.id, first[0].event.id);
    stores
        .tried(first[0].event.id, Verdict::Delivered, later)
        .await;
    // The other's try comes to nothing, but the event was taken.
    stores.tried(first[0].event.id, again(later), later).await;
    assert!(stores.events_due("all", NOW.plus(DAY)).await.is_empty());
}

pub async fn no_more_is_taken_than_asked_for_and_the_oldest_first<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    for n in 0..5 {
        stores.cancelled(&format!("o{n}"), at(n)).await;
    }
    let taken = stores.outbox.take("all", 2, at(10)).await.unwrap();
    let moments: Vec<UnixMs> = taken.iter().map(|one| one.event.at).collect();
    assert_eq!(moments, [at(0), at(1)]);
    let rest = stores.events_due("all", at(10)).await;
    assert_eq!(rest.len(), 3);
}

pub async fn an_event_too_old_is_given_up<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    stores.cancelled("o1", NOW).await;
    let last = NOW.plus(GIVE_UP_AFTER);
    assert_eq!(stores.events_due("all", last).await.len(), 1);
    let late = last.plus(TAKEN_FOR);
    assert!(stores.events_due("all", late).await.is_empty());
    let failed = stores
        .outbox
        .events("all", Some(EventState::Failed), None, 10);
    assert_eq!(failed.await.unwrap().len(), 1);
    // Asked for again it has all of its time again, also for its tries to go wrong.
    let made = stores
        .outbox
        .post_again("all", Again::Failed(NOW), 10, None, late);
    assert_eq!(made.await.unwrap(), 1);
    let last = late.plus(GIVE_UP_AFTER);
    let taken = stores.events_due("all", last).await;
    assert_eq!((taken[0].event.at, taken[0].begun_at), (NOW, late));
    let late = last.plus(TAKEN_FOR);
    assert!(stores.events_due("all", late).await.is_empty());
}

pub async fn a_webhook_that_says_it_is_gone_is_left_alone_until_it_is_resumed<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let both = [hook("all"), hook("other")];
    stores.hooked(&both).await;
    for n in 0..2 {
        stores.cancelled(&format!("o{n}"), NOW).await;
    }
    let due = stores.events_due("all", NOW).await;
    stores
        .tried(due[0].event.id, Verdict::Delivered, at(1))
        .await;
    // That the one it took is refused elsewhere meanwhile says nothing.
    stores.tried(due[0].event.id, gone(), at(1)).await;
    assert_eq!(stores.off_since("all").await, None);
    stores.tried(due[1].event.id, gone(), at(2)).await;
    stores.tried(due[1].event.id, gone(), at(3)).await;
    stores.cancelled("o2", at(4)).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    stores.hooked(&both).await;
    assert_eq!(stores.off_since("all").await, Some(at(2)));
    assert!(stores.events_due("all", NOW.plus(DAY)).await.is_empty());
    assert_eq!(stores.off_since("other").await, None);
    assert_eq!(stores.events_due("other", at(5)).await.len(), 3);
    let once = Some(nonce("n", at(5)));
    let resume = |nonce| stores.outbox.resume("all", nonce, at(5));
    assert!(resume(once.clone()).await.unwrap());
    assert!(matches!(resume(once).await, Err(AcceptError::NonceSeen)));
    assert!(!resume(None).await.unwrap());
    assert_eq!(stores.off_since("all").await, None);
    // Nothing was lost meanwhile.
    assert_eq!(stores.events_due("all", at(5)).await.len(), 2);
}

pub async fn what_was_given_up_can_be_posted_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all"), hook("other")]).await;
    for n in 0..3 {
        stores.cancelled(&format!("o{n}"), at(n)).await;
    }
    for taken in stores.events_due("all", at(3)).await {
        stores.tried(taken.event.id, given_up(), at(3)).await;
    }
    assert!(stores.events_due("all", NOW.plus(DAY)).await.is_empty());
    let outbox = &stores.outbox;
    let once = Some(nonce("n", at(4)));
    let made = outbox.post_again("all", Again::Failed(at(1)), 1, once.clone(), at(4));
    assert_eq!(made.await.unwrap(), 1);
    let seen = outbox.post_again("all", Again::Failed(at(1)), 1, once, at(4));
    assert!(matches!(seen.await, Err(AcceptError::NonceSeen)));
    let made = outbox.post_again("all", Again::Failed(at(1)), 10, None, at(4));
    assert_eq!(made.await.unwrap(), 1);
    let due = stores.events_due("all", at(4)).await;
    assert_eq!(due.len(), 2);
    assert!(
        due.iter()
            .all(|one| one.tries == 1 && one.event.at >= at(1))
    );
    // One that was taken may be wanted once more, by its own webhook alone.
    let id = due[0].event.id;
    stores.tried(id, Verdict::Delivered, at(5)).await;
    let foreign = outbox.post_again("other", Again::One(id), 1, None, at(6));
    assert_eq!(foreign.await.unwrap(), 0);
    let own = outbox.post_again("all", Again::One(id), 1, None, at(6));
    assert_eq!(own.await.unwrap(), 1);
    assert_eq!(stores.events_due("all", at(6)).await[0].event.id, id);
}

pub async fn an_event_whose_message_was_forgotten_is_not_posted_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    for n in [0, 100] {
        stores.cancelled(&format!("o{n}"), at(n)).await;
    }
    let due = stores.events_due("all", at(100)).await;
    for taken in &due {
        stores.tried(taken.event.id, given_up(), at(100)).await;
    }
    assert_eq!(stores.prune_messages(at(50)).await, 1);
    let of_forgotten = due.iter().find(|one| one.event.at == NOW).unwrap();
    let again = async |which| {
        let made = stores.outbox.post_again("all", which, 10, None, at(101));
        made.await.unwrap()
    };
    assert_eq!(again(Again::One(of_forgotten.event.id)).await, 0);
    assert_eq!(again(Again::Failed(NOW)).await, 1);
    let due = stores.events_due("all", at(101)).await;
    assert_eq!((due.len(), due[0].event.at), (1, at(100)));
    let left = stores
        .outbox
        .events("all", Some(EventState::Failed), None, 10);
    assert_eq!(left.await.unwrap()[0].event.id, of_forgotten.event.id);
}

pub async fn events_are_listed_newest_first_and_by_their_state<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all"), hook("other")]).await;
    for n in 0..3 {
        stores.cancelled(&format!("o{n}"), at(n)).await;
    }
    let due = stores.events_due("all", at(3)).await;
    stores
        .tried(due[0].event.id, Verdict::Delivered, at(3))
        .await;
    stores.tried(due[1].event.id, again(at(30)), at(3)).await;
    let page = |state, before| stores.outbox.events("all", state, before, 2);
    let newest = page(None, None).await.unwrap();
    let moments: Vec<UnixMs> = newest.iter().map(|kept| kept.event.at).collect();
    assert_eq!(moments, [at(2), at(1)]);
    assert_eq!(newest[1].due_at, Some(at(30)));
    assert_eq!(newest[1].last_error.as_deref(), Some("HTTP 500"));
    let rest = page(None, Some(newest[1].event.id)).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].state, EventState::Delivered);
    assert_eq!((rest[0].due_at, rest[0].tries), (None, 1));
    let delivered = page(Some(EventState::Delivered), None).await.unwrap();
    assert_eq!(delivered, rest);
}

pub async fn backlogs_count_what_waits_and_what_was_given_up<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all"), hook("idle")]).await;
    for n in 0..3 {
        stores.cancelled(&format!("o{n}"), at(n)).await;
    }
    stores.hooked(&[hook("all"), hook("new")]).await;
    let due = stores.events_due("all", at(3)).await;
    stores.tried(due[0].event.id, given_up(), at(3)).await;
    let mut backlogs = stores.outbox.backlogs().await.unwrap();
    backlogs.sort_by(|one, other| one.webhook.cmp(&other.webhook));
    let all = Backlog {
        webhook: "all".into(),
        waiting: 2,
        oldest: Some(at(1)),
        failed: 1,
        failed_at: Some(at(3)),
        off_since: None,
    };
    let new = Backlog {
        webhook: "new".into(),
        waiting: 0,
        oldest: None,
        failed: 0,
        failed_at: None,
        off_since: None,
    };
    assert_eq!(backlogs, [all, new]);
}

pub async fn a_webhook_that_is_gone_is_left_nothing<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.hooked(&[hook("all")]).await;
    stores.cancelled("o1", NOW).await;
    stores.hooked(&[]).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    stores.cancelled("o2", at(1)).await;
    // What was left before waits for it to come back, for a while.
    stores.hooked(&[hook("all")]).await;
    let due = stores.events_due("all", at(2)).await;
    assert_eq!(due.len(), 1);
    let waiting = Old::Events(EventState::Waiting);
    let due_again = at(2).plus(TAKEN_FOR);
    assert_eq!(stores.prune(waiting, due_again, 100).await, 0);
    let later = due_again.plus(Duration::from_millis(1));
    assert_eq!(stores.prune(waiting, later, 100).await, 1);
}

pub async fn events_are_forgotten_after_their_time<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hooked(&[hook("all")]).await;
    for n in 0..6 {
        let other = Content {
            reference: Some("x".into()),
            ..content(&format!("o{n}"))
        };
        let taken = stores.take(call(vec![new(other, NOW)]), NOW).await;
        let id = taken[0].unwrap().id;
        stores.ledger.cancel(id, None, NOW).await.unwrap();
    }
    let due = stores.events_due("all", NOW).await;
    for (n, taken) in (0..).zip(&due) {
        let verdict = match n {
            0 | 1 => Verdict::Delivered,
            2 | 3 => given_up(),
            _ => again(at(60)),
        };
        stores.tried(taken.event.id, verdict, at(n)).await;
    }
    // Ended at 0 and 1, and at 2 and 3: before which moment counts, and what waits stays.
    let delivered = Old::Events(EventState::Delivered);
    for (before, gone) in [(NOW, 0), (at(1), 1), (at(100), 1), (at(100), 0)] {
        assert_eq!(stores.prune(delivered, before, 10).await, gone);
    }
    let failed = Old::Events(EventState::Failed);
    for (before, gone) in [(at(2), 0), (at(100), 1), (at(100), 1), (at(100), 0)] {
        assert_eq!(stores.prune(failed, before, 1).await, gone, "one at a time");
    }
    assert_eq!(stores.events_due("all", at(60)).await.len(), 2);
}
