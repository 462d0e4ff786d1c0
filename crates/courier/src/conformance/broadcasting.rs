//! Broadcasts: rows that are kept as they came, messages that are made of each row once, and counts that nobody counts.
//! How rows are read is not asked here: the bytes below are rows because their tests say so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};

use super::fixture::{ACCOUNT, NODE, NOW, accepted, answered, at, claim, content, key, new, nonce};
use super::{Adapter, Stores};
use crate::broadcast::port::{
    Append, AppendRefused, BAD_ROWS_KEPT, BroadcastFilter, DUE_COUNTED_MAX, Enforced, Expansion,
    Follow,
};
use crate::broadcast::rows::BadRow;
use crate::broadcast::{
    Broadcast, BroadcastId, BroadcastRow, Cursor, NewBroadcast, Order, Place, Progress, Source,
    State, Upload, Wish, WishRefused,
};
use crate::delivery::ReceiptWord;
use crate::message::{Message, MessageId, Reason, Status};
use crate::port::{Accept, AcceptError, ChangeError, Filter, StoreError};
use crate::time::UnixMs;

fn order(source: Source) -> Order {
    let recipe = json!({"template_id": "appointment", "data": {"thing1": {"value": "{{name}}"}}});
    Order {
        account: ACCOUNT.into(),
        client: "his".into(),
        source,
        recipe: recipe.as_object().cloned().unwrap_or_else(Map::new),
        rate: Some(100),
        send_at: Some(at(60)),
        expires_at: Some(at(600)),
    }
}

fn broadcast(source: Source) -> NewBroadcast {
    NewBroadcast {
        id: BroadcastId::new(NOW),
        order: order(source),
    }
}

fn place(byte: u64) -> Place {
    Place {
        byte,
        lines: byte / 3,
    }
}

fn cursor(row: u64) -> Cursor {
    if row == 0 {
        return Cursor::default();
    }
    Cursor {
        place: place(7 + row * 3),
        row,
    }
}

const HEADER: &[u8] = b"openid\n";

/// A header and so many rows of three bytes, all there is.
fn all(rows: u64) -> Append {
    let bytes = [
        HEADER.to_vec(),
        b"o1\n".repeat(usize::try_from(rows).unwrap()),
    ]
    .concat();
    Append {
        offset: 0,
        upload: Upload {
            stored: bytes.len() as u64,
            complete: true,
            seen: place(bytes.len() as u64),
            columns: Some(vec!["name".to_owned()]),
            rows,
            bad: 0,
            next_openid: None,
        },
        bytes,
        bad: Vec::new(),
    }
}

impl Stores {
    async fn begun(&self, source: Source) -> BroadcastId {
        let created = self
            .broadcasts
            .create(broadcast(source), None, None, NOW)
            .await;
        created.unwrap().0
    }

    async fn running(&self, rows: u64) -> BroadcastId {
        let id = self.begun(Source::Rows).await;
        let appended = self.broadcasts.append(id, all(rows), None, NOW).await;
        appended.unwrap();
        self.wished(id, Wish::Start, NOW).await;
        id
    }

    async fn wished(&self, id: BroadcastId, wish: Wish, now: UnixMs) -> Broadcast {
        self.broadcasts.wish(id, wish, None, now).await.unwrap()
    }

    async fn one(&self, id: BroadcastId) -> Broadcast {
        self.broadcasts.broadcast(id).await.unwrap().unwrap()
    }

    async fn progress(&self, id: BroadcastId) -> Progress {
        self.one(id).await.progress
    }

    /// Makes messages of the rows from `from` to `to`.
    async fn expand(
        &self,
        id: BroadcastId,
        from: u64,
        to: u64,
        now: UnixMs,
    ) -> Result<Vec<MessageId>, AcceptError> {
        let message = |row| {
            let mut content = content(&format!("o{row}"));
            content.broadcast = Some(BroadcastRow { id, row });
            new(content, now)
        };
        let call = Accept {
            nonce: None,
            idempotency: None,
            messages: (from..to).map(message).collect(),
            broadcast: Some(Expansion {
                id,
                from: cursor(from),
                to: cursor(to),
                refused: Vec::new(),
            }),
        };
        let stored = self.queue.accept(call, now).await?;
        Ok(stored.into_iter().map(|one| one.unwrap().id).collect())
    }

    async fn enforced(&self, id: BroadcastId, limit: usize, now: UnixMs) -> Enforced {
        self.broadcasts.enforce(id, limit, now).await.unwrap()
    }

    async fn claimed(&self, count: usize, now: UnixMs) -> Vec<Message> {
        let by = self.join(NODE, now).await;
        self.claim(claim(&by, count), now).await.messages
    }
}

/// A broadcast is there as it was asked for, also after a restart.
pub async fn a_broadcast_is_kept_as_it_was_ordered<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let new = broadcast(Source::Rows);
    let (id, replayed) = stores
        .broadcasts
        .create(new.clone(), None, Some(nonce("b1", NOW)), NOW)
        .await
        .unwrap();
    assert_eq!((id, replayed), (new.id, false));
    let twice =
        stores
            .broadcasts
            .create(broadcast(Source::Rows), None, Some(nonce("b1", NOW)), NOW);
    assert!(matches!(twice.await, Err(AcceptError::NonceSeen)));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let kept = stores.one(id).await;
    assert_eq!(kept, Broadcast::begin(new, NOW));
    assert_eq!(kept.state, State::Draft);
    let gone = BroadcastId::from_number(1);
    assert_eq!(stores.broadcasts.broadcast(gone).await.unwrap(), None);
}

/// The same key and body name the same broadcast; the same key and another body are refused.
pub async fn a_key_names_one_broadcast<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let create = async |body| {
        let key = Some(key("file", body, NOW));
        let new = broadcast(Source::Rows);
        stores.broadcasts.create(new, key, None, NOW).await
    };
    let (id, _) = create(1).await.unwrap();
    assert_eq!(create(1).await.unwrap(), (id, true));
    assert!(matches!(
        create(2).await,
        Err(AcceptError::IdempotencyMismatch)
    ));
    let all = stores.broadcasts.broadcasts(BroadcastFilter::default(), 10);
    assert_eq!(all.await.unwrap().len(), 1);
}

/// Rows are kept only where they belong, and are read again as they came.
pub async fn rows_are_kept_at_their_offset<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.begun(Source::Rows).await;
    let part = |offset: u64, bytes: &[u8], complete| Append {
        offset,
        bytes: bytes.to_vec(),
        upload: Upload {
            stored: offset + bytes.len() as u64,
            complete,
            seen: place(offset),
            columns: Some(Vec::new()),
            rows: offset,
            bad: 1,
            next_openid: None,
        },
        bad: vec![BadRow {
            line: 9,
            problem: "has no openid".into(),
        }],
    };
    let append = async |stores: &Stores, part: Append| {
        let nonce = Some(nonce(&format!("n{}", part.offset), NOW));
        stores.broadcasts.append(id, part, nonce, NOW).await
    };
    let first = [HEADER.to_vec(), b"o".repeat(200_000)].concat();
    let stands = append(&stores, part(0, &first, false)).await.unwrap();
    assert_eq!(
        (stands.state, stands.upload.stored),
        (State::Uploading, 200_007)
    );
    let wrong = append(&stores, part(5, b"x", false)).await;
    let offset = AppendRefused::Offset(200_007);
    assert!(matches!(wrong, Err(ChangeError::Refused(told)) if told == offset));
    let seen = append(&stores, part(0, b"x", false)).await;
    assert!(matches!(seen, Err(ChangeError::NonceSeen)));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    append(&stores, part(200_007, b"1\n", true)).await.unwrap();
    let stands = stores.one(id).await;
    assert_eq!(stands.state, State::Ready);
    let expected = part(200_007, b"1\n", true).upload;
    assert_eq!(stands.upload, expected);
    let mut read = Vec::new();
    loop {
        let from = read.len() as u64;
        let more = stores.broadcasts.rows(id, from, 10_000).await.unwrap();
        if more.is_empty() {
            break;
        }
        read.extend(more);
    }
    assert_eq!(read, [first, b"1\n".to_vec()].concat());
    let late = append(&stores, part(200_009, b"x", false)).await;
    let full = AppendRefused::State(State::Ready);
    assert!(matches!(late, Err(ChangeError::Refused(told)) if told == full));
    let bad = stores.broadcasts.bad_rows(id, 10).await.unwrap();
    assert_eq!((bad.len(), bad[0].line), (2, 9));
}

/// Bad rows are listed up to a bound.
pub async fn bad_rows_are_bounded<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.begun(Source::Rows).await;
    let mut append = all(0);
    append.bad = (0..BAD_ROWS_KEPT as u64 + 5)
        .map(|line| BadRow {
            line,
            problem: "has no openid".into(),
        })
        .collect();
    stores
        .broadcasts
        .append(id, append, None, NOW)
        .await
        .unwrap();
    let bad = stores.broadcasts.bad_rows(id, usize::MAX).await.unwrap();
    assert_eq!(bad.len(), BAD_ROWS_KEPT);
}

/// A wish is durable when it is answered, spends its nonce, and is refused where the state does not allow it.
pub async fn a_wish_is_kept<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.begun(Source::Rows).await;
    let wish =
        async |stores: &Stores, wish, nonce| stores.broadcasts.wish(id, wish, nonce, NOW).await;
    let early = wish(&stores, Wish::Start, None).await;
    assert!(matches!(
        early,
        Err(ChangeError::Refused(WishRefused::Incomplete(State::Draft)))
    ));
    stores
        .broadcasts
        .append(id, all(3), None, NOW)
        .await
        .unwrap();
    let begun = Some(nonce("start", NOW));
    let started = wish(&stores, Wish::Start, begun.clone()).await.unwrap();
    assert_eq!(
        (started.state, started.started_at),
        (State::Running, Some(NOW))
    );
    let again = wish(&stores, Wish::Pause, begun).await;
    assert!(matches!(again, Err(ChangeError::NonceSeen)));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.one(id).await, started);
    let gone = BroadcastId::from_number(1);
    let nobody = stores.broadcasts.wish(gone, Wish::Pause, None, NOW).await;
    assert!(matches!(nobody, Err(ChangeError::NotFound)));
}

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
        problem: "data.thing1: is empty".into(),
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
    stores.ledger.prune(far, 100, far).await.unwrap();
    assert_eq!(stores.progress(id).await.delivered, 1);
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
    assert_eq!(stores.enforced(id, 3, at(1)).await, Enforced::default());
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

/// Followers become rows, each once, and a page goes on where the one before ended.
pub async fn a_follower_becomes_one_row<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let id = stores.begun(Source::Followers).await;
    let page = |openids: &[&str], after: Option<&str>, next: Option<&str>, last| Follow {
        openids: openids.iter().map(|one| (*one).to_owned()).collect(),
        after: after.map(str::to_owned),
        next: next.map(str::to_owned),
        last,
    };
    let follow =
        async |stores: &Stores, page| stores.broadcasts.follow(id, page, NOW).await.unwrap();
    let first = page(&["o1", "o2"], None, Some("o2"), false);
    assert!(!follow(&stores, first.clone()).await, "it does not run yet");
    stores.wished(id, Wish::Start, NOW).await;
    // The first half of the page, then all of it after a crash.
    assert!(follow(&stores, page(&["o1"], None, None, false)).await);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert!(follow(&stores, first.clone()).await);
    assert!(!follow(&stores, first).await, "that page was taken");
    assert!(follow(&stores, page(&["o2", "o3"], Some("o2"), Some("o3"), true)).await);
    let stands = stores.one(id).await;
    assert_eq!((stands.upload.rows, stands.upload.complete), (3, true));
    assert_eq!(stands.state, State::Running);
    assert_eq!(stands.upload.columns, Some(Vec::new()));
    let rows = stores.broadcasts.rows(id, 0, 1_000).await.unwrap();
    assert_eq!(String::from_utf8(rows).unwrap(), "openid\no1\no2\no3\n");
    assert_eq!(stands.upload.stored, 16);
}

/// Broadcasts are listed newest first, by account and state, and the page goes on at its cursor.
pub async fn broadcasts_are_listed_newest_first<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let mut ids = Vec::new();
    for (second, account) in [(1, ACCOUNT), (2, "other"), (3, ACCOUNT)] {
        let now = NOW.plus(Duration::from_secs(second));
        let mut new = broadcast(Source::Rows);
        new.id = BroadcastId::new(now);
        new.order.account = account.into();
        ids.push(
            stores
                .broadcasts
                .create(new, None, None, now)
                .await
                .unwrap()
                .0,
        );
    }
    stores.wished(ids[0], Wish::Cancel, at(9)).await;
    let list = async |filter, limit| -> Vec<BroadcastId> {
        let page: Result<Vec<Broadcast>, StoreError> =
            stores.broadcasts.broadcasts(filter, limit).await;
        page.unwrap().iter().map(|one| one.id).collect()
    };
    let any = BroadcastFilter::default;
    assert_eq!(list(any(), 2).await, [ids[2], ids[1]]);
    let before = Some(ids[1]);
    assert_eq!(list(BroadcastFilter { before, ..any() }, 2).await, [ids[0]]);
    let account = Some(ACCOUNT.into());
    assert_eq!(
        list(BroadcastFilter { account, ..any() }, 9).await,
        [ids[2], ids[0]]
    );
    let state = Some(State::Cancelled);
    assert_eq!(list(BroadcastFilter { state, ..any() }, 9).await, [ids[0]]);
    let order: Arc<Order> = stores.one(ids[1]).await.order;
    assert_eq!(order.account.as_str(), "other");
}
