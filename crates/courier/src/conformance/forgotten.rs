//! Promises of forgetting: afterwards nothing names the user, and what is under way is not disturbed.

use super::Adapter;
use super::fixture::{ACCOUNT, NOW, accepted, answered, at, content};
use crate::message::{MessageId, Status};
use crate::port::{AcceptError, Filter};
use crate::reach::Reach;
use crate::recipient::forget::{PSEUDONYM, Whom};
use crate::recipient::{Following, News, Source, SuppressionFilter, What};
use crate::time::UnixMs;

fn whom(openid: &str) -> Whom {
    Whom::new(ACCOUNT.into(), openid.to_owned(), 7)
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
    let stores = A::fresh().await.stores();
    let (_, leased) = stores.leased(content("o1"), NOW).await;
    let forget = async || {
        let whom = whom("o1");
        let done = stores.forgetting.forget(&whom, 10, None, at(1));
        done.await.unwrap()
    };
    let first = forget().await;
    assert_eq!((first.messages, first.under_way), (0, 1));
    assert_eq!(stores.message(leased.id).await.content.touser, "o1");
    stores.settle(&leased, accepted(777), NOW).await;
    let second = forget().await;
    assert_eq!((second.messages, second.under_way), (1, 0));
    assert_eq!(
        stores.message(leased.id).await.delivery.status,
        Status::Sent
    );
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
