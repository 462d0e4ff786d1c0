//! Broadcasts: rows that are kept as they came, messages that are made of each row once, and counts that nobody counts.
//! How rows are read is not asked here: the bytes below are rows because their tests say so.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, json};

use super::fixture::{ACCOUNT, NODE, NOW, at, claim, content, key, new, nonce};
use super::{Adapter, Stores};
use crate::broadcast::port::{
    Append, AppendRefused, BAD_ROWS_KEPT, BroadcastFilter, Enforced, Expansion, Follow,
};
use crate::broadcast::rows::{BadRow, Fault};
use crate::broadcast::{
    Broadcast, BroadcastId, BroadcastRow, Cursor, NewBroadcast, Order, Place, Progress, Source,
    State, Upload, Wish, WishRefused,
};
use crate::message::{Message, MessageId};
use crate::port::{Accept, AcceptError, ChangeError, StoreError};
use crate::reach::Reach;
use crate::retention::Old;
use crate::time::UnixMs;

pub(super) fn order(source: Source) -> Order {
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

pub(super) fn broadcast(source: Source) -> NewBroadcast {
    NewBroadcast {
        id: BroadcastId::new(NOW),
        order: order(source),
    }
}

pub(super) fn place(byte: u64) -> Place {
    Place {
        byte,
        lines: byte / 3,
    }
}

pub(super) fn cursor(row: u64) -> Cursor {
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
pub(super) fn all(rows: u64) -> Append {
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
    pub(super) async fn begun(&self, source: Source) -> BroadcastId {
        let created = self
            .broadcasts
            .create(broadcast(source), None, None, NOW)
            .await;
        created.unwrap().0
    }

    pub(super) async fn running(&self, rows: u64) -> BroadcastId {
        let id = self.begun(Source::Rows).await;
        let appended = self.broadcasts.append(id, all(rows), None, NOW).await;
        appended.unwrap();
        self.wished(id, Wish::Start, NOW).await;
        id
    }

    pub(super) async fn wished(&self, id: BroadcastId, wish: Wish, now: UnixMs) -> Broadcast {
        self.broadcasts.wish(id, wish, None, now).await.unwrap()
    }

    pub(super) async fn one(&self, id: BroadcastId) -> Broadcast {
        self.broadcasts.broadcast(id).await.unwrap().unwrap()
    }

    pub(super) async fn progress(&self, id: BroadcastId) -> Progress {
        self.one(id).await.progress
    }

    /// Makes messages of the rows from `from` to `to`.
    pub(super) async fn expand(
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
                blanked: 0,
            }),
        };
        let stored = self.queue.accept(call, now).await?;
        Ok(stored.into_iter().map(|one| one.unwrap().id).collect())
    }

    pub(super) async fn enforced(&self, id: BroadcastId, limit: usize, now: UnixMs) -> Enforced {
        self.broadcasts.enforce(id, limit, now).await.unwrap()
    }

    pub(super) async fn claimed(&self, count: usize, now: UnixMs) -> Vec<Message> {
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

/// However long a broadcast takes, its key names it until a day after its end, and other keys are forgotten meanwhile.
pub async fn a_key_names_its_broadcast_until_a_day_after_its_end<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let create = async |name: &str, body, now| {
        let new = NewBroadcast {
            id: BroadcastId::new(now),
            order: order(Source::Rows),
        };
        let key = Some(key(name, body, NOW));
        stores.broadcasts.create(new, key, None, now).await
    };
    let day = |days: u64| at(days * 24 * 3_600);
    let (long, _) = create("long", 1, NOW).await.unwrap();
    let (short, _) = create("short", 1, NOW).await.unwrap();
    stores.wished(short, Wish::Cancel, at(1)).await;
    assert_eq!(create("short", 1, day(1)).await.unwrap(), (short, true));
    assert_eq!(create("long", 1, day(3)).await.unwrap(), (long, true));
    let other = create("long", 2, day(3)).await;
    assert!(matches!(other, Err(AcceptError::IdempotencyMismatch)));
    // One at a time, as if many were in the way.
    while stores.prune(Old::Keys, day(3), 1).await > 0 {}
    assert!(!create("short", 1, day(3)).await.unwrap().1, "it was over");
    assert_eq!(create("long", 1, day(9)).await.unwrap(), (long, true));
    stores.wished(long, Wish::Cancel, day(9)).await;
    let last = UnixMs(day(10).0 - 1);
    stores.prune(Old::Keys, last, 100).await;
    assert_eq!(create("long", 1, last).await.unwrap(), (long, true));
    assert!(!create("long", 1, day(10)).await.unwrap().1);
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
            fault: Fault::new("has no openid", "缺少 openid"),
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
            fault: Fault::new("has no openid", "缺少 openid"),
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
    let within = |accounts: &[&str], template: &str| BroadcastFilter {
        within: Reach::within(
            accounts.iter().map(|name| (*name).into()).collect(),
            vec![template.to_owned()],
        ),
        ..any()
    };
    assert_eq!(list(within(&["other"], "appointment"), 9).await, [ids[1]]);
    assert_eq!(
        list(within(&["other", ACCOUNT], "appointment"), 9).await,
        [ids[2], ids[1], ids[0]]
    );
    assert_eq!(list(within(&[], "homework"), 9).await, []);
    let order: Arc<Order> = stores.one(ids[1]).await.order;
    assert_eq!(order.account.as_str(), "other");
}
