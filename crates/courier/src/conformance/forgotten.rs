//! Promises of forgetting: afterwards nothing names the user, and what is under way is not disturbed.

use std::collections::HashSet;

use super::fixture::{
    ACCOUNT, NOW, accepted, answered, at, call, content, receipt, sent_event, subscription,
};
use super::{Adapter, Stores};
use crate::broadcast::port::{Append, Expansion};
use crate::broadcast::{self, Cursor, Place, Upload, Wish};
use crate::delivery::{LeftAlone, Outcome, ReceiptWord, RetryRefused};
use crate::message::{MessageId, Reason, Status};
use crate::port::{Accept, AcceptError, ChangeError, Filter};
use crate::reach::Reach;
use crate::receipt::ReceiptTaken;
use crate::recipient::forget::{Forgotten, PSEUDONYM, Whom};
use crate::recipient::{Following, News, Source, SuppressionFilter, What};
use crate::time::UnixMs;

fn whom(openid: &str) -> Whom {
    Whom::new(ACCOUNT.into(), openid.to_owned(), 7, at(1))
}

impl Stores {
    async fn forgotten(&self, whom: &Whom) -> Forgotten {
        let done = self.forgetting.forget(whom, 10, None, at(1));
        done.await.unwrap()
    }
}

fn left(at: UnixMs) -> News {
    News {
        what: What::FollowsNot,
        source: Source::Event,
        at,
        errcode: None,
    }
}

pub async fn nothing_names_who_was_forgotten<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (_, sent) = stores.leased(content("o1"), NOW).await;
    stores.settle(&sent, accepted(777), NOW).await;
    let (_, failed) = stores.leased(content("o1"), NOW).await;
    stores.settle(&failed, answered(47003), NOW).await;
    let waiting = stores.store(content("o1"), NOW).await;
    let gone = vec![left(NOW)];
    let account = ACCOUNT.into();
    let heard = stores.recipients.hear(&account, "o1", gone, None, NOW);
    heard.await.unwrap();
    let neighbour = stores.store(content("o2"), NOW).await;
    let done = stores
        .forgetting
        .forget(&whom("o1"), 10, None, at(1))
        .await
        .unwrap();
    assert_eq!((done.messages, done.under_way, done.more), (3, 0, false));
    let cancelled: Vec<MessageId> = done.cancelled.iter().map(|one| one.id).collect();
    assert_eq!(cancelled, [waiting]);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    for id in [sent.id, failed.id, waiting] {
        let message = stores.message(id).await;
        let content = &message.content;
        assert!(content.touser.starts_with(PSEUDONYM), "{content:?}");
        assert_eq!((content.data.as_str(), &content.url), ("{}", &None));
    }
    assert_eq!(
        stores.message(waiting).await.delivery.status,
        Status::Cancelled
    );
    assert_eq!(stores.message(neighbour).await.content.touser, "o2");
    let by_openid = Filter {
        touser: Some("o1".into()),
        ..Filter::default()
    };
    assert_eq!(stores.ledger.page(by_openid, 10).await.unwrap(), []);
    let by_pseudonym = Filter {
        touser: Some(whom("o1").pseudonym),
        ..Filter::default()
    };
    assert_eq!(stores.ledger.page(by_pseudonym, 10).await.unwrap().len(), 3);
    let known = stores.recipients.recipient(&ACCOUNT.into(), "o1").await;
    assert_eq!(known.unwrap().state, Following::Unknown);
    let filter = SuppressionFilter {
        account: ACCOUNT.into(),
        reason: None,
        before: None,
        within: Reach::default(),
    };
    let held = stores.recipients.suppressions(filter, 10, at(1)).await;
    assert_eq!(held.unwrap(), []);
    let flags = stores.standings.flags(&ACCOUNT.into(), 10).await.unwrap();
    assert!(flags.iter().all(|flag| flag.flag.key != "o1"), "{flags:?}");
}

pub async fn what_is_under_way_is_left_until_it_is_not<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let (_, leased) = stores.leased(content("o1"), NOW).await;
    let first = stores.forgotten(&whom("o1")).await;
    assert_eq!((first.messages, first.under_way), (0, 1));
    assert_eq!(stores.message(leased.id).await.content.touser, "o1");
    stores.settle(&leased, accepted(777), NOW).await;
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let left = stores.forgetting.unfinished(10).await.unwrap();
    assert_eq!(left, [whom("o1")], "a restart remembers what is left");
    let second = stores.forgotten(&left[0]).await;
    assert_eq!((second.messages, second.under_way), (1, 0));
    assert_eq!(stores.status(leased.id).await, Status::Sent);
    assert_eq!(stores.forgetting.unfinished(10).await.unwrap(), []);
}

pub async fn what_is_heard_and_sent_after_the_first_step_is_new<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, leased) = stores.leased(content("o1"), NOW).await;
    stores.forgotten(&whom("o1")).await;
    let account = ACCOUNT.into();
    let news = vec![left(at(2))];
    let heard = stores.recipients.hear(&account, "o1", news, None, at(2));
    heard.await.unwrap();
    let later = stores.store(content("o1"), at(3)).await;
    stores.settle(&leased, accepted(777), at(4)).await;
    assert_eq!(stores.forgotten(&whom("o1")).await.messages, 1);
    assert_eq!(stores.message(later).await.content.touser, "o1");
    let known = stores.recipients.recipient(&account, "o1").await.unwrap();
    assert_eq!(known.state, Following::Unsubscribed);
}

pub async fn a_receipt_still_finds_what_it_can_find_by_the_openid_alone<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(subscription("o1"), NOW).await;
    let lease = super::fixture::lease(&message);
    stores.queue.look(lease, NOW).await.unwrap();
    let taken = Outcome::Accepted { msgid: None };
    stores.settle(&message, taken, NOW).await;
    assert_eq!(stores.forgotten(&whom("o1")).await.under_way, 1);
    let event = sent_event(71, "o1", ReceiptWord::Success, 1);
    stores.receive(event, at(2)).await;
    assert_eq!(stores.status(message.id).await, Status::Delivered);
    assert_eq!(stores.forgotten(&whom("o1")).await.messages, 1);
    let touser = &stores.message(message.id).await.content.touser;
    assert!(touser.starts_with(PSEUDONYM));
}

pub async fn a_message_that_names_nobody_is_never_sent<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (sent, failed) = (
        stores.sent(content("o1"), 777, NOW).await.id,
        stores.leased(content("o1"), NOW).await.1,
    );
    stores.settle(&failed, answered(47003), NOW).await;
    stores.forgotten(&whom("o1")).await;
    for force in [false, true] {
        let again = stores.ledger.retry(failed.id, force, None, at(2)).await;
        let refused = RetryRefused::Forgotten;
        assert!(matches!(again, Err(ChangeError::Refused(why)) if why == refused));
    }
    let many = stores.retry_all(&[failed.id], at(2)).await;
    assert_eq!(many, [Err(LeftAlone::Forgotten)]);
    let message = stores.message(failed.id).await;
    let (content, mut delivery) = (message.content, message.delivery);
    let alone = delivery.retry_as_one_of_many(&content, None, at(2), at(2));
    assert_eq!(alone, Err(LeftAlone::Forgotten));
    // WeChat's system failed, for which a message that names somebody is sent anew.
    let word = ReceiptWord::Failed(Reason::SystemFailed);
    stores.receive(receipt(777, "o1", word), at(3)).await;
    assert_eq!(stores.status(sent).await, Status::Failed);
    let flags = stores.flags().await;
    assert!(flags.iter().all(|(key, _)| !key.starts_with(PSEUDONYM)));
}

pub async fn receipts_that_found_no_message_are_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let success = |openid| receipt(777, openid, ReceiptWord::Success);
    for openid in ["o1", "o2"] {
        assert_eq!(
            stores.receive(success(openid), NOW).await,
            ReceiptTaken::Orphan
        );
    }
    stores.forgotten(&whom("o1")).await;
    // Known again is only what is there.
    assert_eq!(
        stores.receive(success("o2"), at(2)).await,
        ReceiptTaken::Known
    );
    assert_eq!(
        stores.receive(success("o1"), at(2)).await,
        ReceiptTaken::Orphan
    );
}

pub async fn rows_of_broadcasts_are_blanked_and_become_no_messages<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    // So long that they are stored in pieces, and cut somewhere.
    let others = format!("o3,{}\n", "v".repeat(4_000)).repeat(40);
    let bytes = format!("openid,name\no1,one\no2,two\n{others}o1,again\n");
    let end = bytes.len() as u64;
    let append = Append {
        offset: 0,
        upload: Upload {
            stored: end,
            complete: true,
            seen: Place {
                byte: end,
                lines: 44,
            },
            columns: Some(vec!["name".to_owned()]),
            rows: 43,
            bad: 0,
            next_openid: None,
        },
        bytes: bytes.clone().into_bytes(),
        bad: Vec::new(),
    };
    let id = stores.begun(broadcast::Source::Rows).await;
    stores
        .broadcasts
        .append(id, append, None, NOW)
        .await
        .unwrap();
    stores.wished(id, Wish::Start, NOW).await;
    let forget = async |account: &str| {
        let openids = HashSet::from(["o1".to_owned()]);
        let account = account.into();
        let rows = stores.forgetting.forget_rows(&account, openids, NOW);
        rows.await.unwrap()
    };
    assert_eq!(forget("another").await, 0);
    assert_eq!(forget(ACCOUNT).await, 2);
    assert_eq!(forget(ACCOUNT).await, 0);
    // Rows that were read before say what is not there any more.
    let read_before = Accept {
        broadcast: Some(Expansion {
            id,
            from: Cursor::default(),
            to: Cursor::default(),
            refused: Vec::new(),
            blanked: 0,
        }),
        ..call(Vec::new())
    };
    let moved = stores.queue.accept(read_before, NOW).await;
    assert!(matches!(moved, Err(AcceptError::BroadcastMoved)));
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.one(id).await.blanked, 2);
    let kept = stores.broadcasts.rows(id, 0, 1 << 20).await.unwrap();
    let kept = String::from_utf8(kept).unwrap();
    let expected = bytes
        .replace("o1,one", "--,xxx")
        .replace("o1,again", "--,xxxxx");
    assert_eq!(kept, expected);
    stores.wished(id, Wish::Cancel, NOW).await;
    let openids = HashSet::from(["o2".to_owned()]);
    let account = ACCOUNT.into();
    let ended = stores.forgetting.forget_rows(&account, openids, NOW);
    assert_eq!(ended.await.unwrap(), 0, "they go by themselves");
}

pub async fn forgetting_goes_on_in_small_steps<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for _ in 0..5 {
        stores.store(content("o1"), NOW).await;
    }
    let mut messages = 0;
    for _ in 0..4 {
        let whom = whom("o1");
        let step = stores.forgetting.forget(&whom, 2, None, at(1));
        let step = step.await.unwrap();
        assert!(step.messages <= 2);
        messages += step.messages;
        if !step.more {
            break;
        }
    }
    assert_eq!(messages, 5);
}

pub async fn forgetting_spends_its_nonce<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let forget = async || {
        let nonce = Some(super::fixture::nonce("n1", NOW));
        stores.forgetting.forget(&whom("o1"), 2, nonce, NOW).await
    };
    forget().await.unwrap();
    let again = forget().await;
    assert!(matches!(again, Err(AcceptError::NonceSeen)), "{again:?}");
}

pub async fn those_who_left_are_found_until_they_are_forgotten<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (openid, when) in [("o2", at(20)), ("o1", at(10)), ("o3", at(90))] {
        let news = vec![left(when)];
        let account = ACCOUNT.into();
        let heard = stores.recipients.hear(&account, openid, news, None, when);
        heard.await.unwrap();
    }
    let departed = async |before: UnixMs, limit: usize| -> Vec<String> {
        let left = stores.forgetting.departed(before, limit).await.unwrap();
        left.into_iter().map(|(_, openid)| openid).collect()
    };
    assert_eq!(departed(at(90), 10).await, ["o1", "o2"]);
    assert_eq!(departed(at(90), 1).await, ["o1"]);
    let whom = whom("o1");
    let done = stores.forgetting.forget(&whom, 10, None, at(90));
    done.await.unwrap();
    assert_eq!(departed(at(91), 10).await, ["o2", "o3"]);
}
