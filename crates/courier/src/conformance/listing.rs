//! Promises of `find`, `page` and `depths`: what is stored can be seen, all of it, once.

use super::Adapter;
use super::fixture::{NODE, NOW, accepted, answered, at, claim, content};
use crate::message::{Content, MessageId, Priority, Reason, Status};
use crate::port::{Depth, Filter};
use crate::reach::Reach;

pub async fn a_page_is_newest_first_and_goes_on_at_its_cursor<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let mut stored = Vec::new();
    for n in 0..7 {
        stored.push(stores.store(content(&format!("o{n}")), at(n)).await);
    }
    stored.reverse();
    let mut listed: Vec<MessageId> = Vec::new();
    for size in [3, 3, 1, 0] {
        let after = Filter {
            before: listed.last().copied(),
            ..Filter::default()
        };
        let page = stores.ledger.page(after, 3).await.unwrap();
        assert_eq!(page.len(), size);
        listed.extend(page.iter().map(|message| message.id));
    }
    assert_eq!(listed, stored);
    let page = stores.ledger.page(Filter::default(), 1).await.unwrap();
    assert_eq!(page[0], stores.message(stored[0]).await);
}

pub async fn every_filter_narrows<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, failed) = stores.leased(content("o1"), NOW).await;
    stores.settle(&failed, answered(43004), at(10)).await;
    let other = Content {
        account: "school".into(),
        template_id: "homework".into(),
        reference: Some("class-3".into()),
        ..content("o2")
    };
    let other = stores.store(other, at(60)).await;
    let listed = async |filter: Filter| -> Vec<MessageId> {
        let page = stores.ledger.page(filter, 10).await.unwrap();
        page.iter().map(|message| message.id).collect()
    };
    let narrowed = |narrow: fn(&mut Filter)| {
        let mut filter = Filter::default();
        narrow(&mut filter);
        filter
    };
    let of_failed: [fn(&mut Filter); 9] = [
        |filter| filter.account = Some("clinic".into()),
        |filter| filter.status = Some(Status::Failed),
        |filter| filter.reason = Some(Reason::NotSubscribed),
        |filter| filter.code = Some(43004),
        |filter| filter.touser = Some("o1".into()),
        |filter| filter.template_id = Some("appointment".into()),
        |filter| filter.until = Some(at(60)),
        |filter| filter.ended_since = Some(at(10)),
        |filter| (filter.status, filter.ended_since) = (Some(Status::Failed), Some(at(10))),
    ];
    for (n, narrow) in of_failed.into_iter().enumerate() {
        assert_eq!(listed(narrowed(narrow)).await, [failed.id], "filter {n}");
    }
    let of_other: [fn(&mut Filter); 4] = [
        |filter| filter.account = Some("school".into()),
        |filter| filter.status = Some(Status::Queued),
        |filter| filter.reference = Some("class-3".into()),
        |filter| filter.since = Some(at(60)),
    ];
    for (n, narrow) in of_other.into_iter().enumerate() {
        assert_eq!(listed(narrowed(narrow)).await, [other], "filter {n}");
    }
    let of_neither: [fn(&mut Filter); 4] = [
        |filter| (filter.account, filter.code) = (Some("school".into()), Some(43004)),
        |filter| filter.ended_since = Some(at(11)),
        |filter| (filter.status, filter.ended_since) = (Some(Status::Failed), Some(at(11))),
        |filter| (filter.touser, filter.ended_since) = (Some("o1".into()), Some(at(11))),
    ];
    for (n, narrow) in of_neither.into_iter().enumerate() {
        assert_eq!(listed(narrowed(narrow)).await, [], "filter {n}");
    }
}

pub async fn a_message_is_found_by_its_msgid_and_by_the_number_of_its_id<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, sent) = stores.leased(content("o1"), NOW).await;
    stores.settle(&sent, accepted(777), NOW).await;
    let waiting = stores.store(content("o2"), NOW).await;
    let by = async |msgid: i64| -> Vec<MessageId> {
        let filter = Filter {
            msgid: Some(msgid),
            ..Filter::default()
        };
        let page = stores.ledger.page(filter, 10).await.unwrap();
        page.iter().map(|message| message.id).collect()
    };
    assert_eq!(by(777).await, [sent.id]);
    assert_eq!(by(sent.id.number()).await, [sent.id]);
    assert_eq!(by(waiting.number()).await, [waiting]);
    assert_eq!(by(778).await, []);
    assert_eq!(by(-1).await, []);
}

pub async fn what_is_out_of_reach_is_not_listed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let here = stores.store(content("o1"), NOW).await;
    let other = Content {
        account: "school".into(),
        template_id: "homework".into(),
        ..content("o2")
    };
    let there = stores.store(other, at(1)).await;
    let listed = async |accounts: &[&str], templates: &[&str]| -> Vec<MessageId> {
        let filter = Filter {
            within: Reach::within(
                accounts.iter().map(|name| (*name).into()).collect(),
                templates.iter().map(|id| (*id).to_owned()).collect(),
            ),
            ..Filter::default()
        };
        let page = stores.ledger.page(filter, 10).await.unwrap();
        page.iter().map(|message| message.id).collect()
    };
    assert_eq!(listed(&[], &[]).await, [there, here]);
    assert_eq!(listed(&["clinic"], &[]).await, [here]);
    assert_eq!(listed(&["clinic", "school"], &[]).await, [there, here]);
    assert_eq!(listed(&["nowhere", "school"], &[]).await, [there]);
    assert_eq!(listed(&["nowhere"], &[]).await, []);
    assert_eq!(listed(&[], &["appointment"]).await, [here]);
    assert_eq!(listed(&["school"], &["appointment"]).await, []);
    let both = listed(&["school", "clinic"], &["appointment", "homework"]);
    assert_eq!(both.await, [there, here]);
}

pub async fn depths_count_what_waits<A: Adapter>() {
    let stores = A::fresh().await.stores();
    assert_eq!(stores.ledger.depths(NOW).await.unwrap(), []);
    for (openid, due) in [("o1", 10), ("o2", 20), ("o3", 90)] {
        let scheduled = Content {
            send_at: Some(at(due)),
            ..content(openid)
        };
        stores.store(scheduled, NOW).await;
    }
    let urgent = Content {
        priority: Priority::High,
        ..content("o4")
    };
    stores.store(urgent, NOW).await;
    let by = stores.join(NODE, NOW).await;
    // What is leased waits no more.
    stores.claim(claim(&by, 1), NOW).await;
    let depth = Depth {
        account: "clinic".into(),
        priority: Priority::Normal,
        queued: 3,
        oldest_due: Some(at(10)),
        past_due: 2,
    };
    let depths = stores.ledger.depths(at(30)).await.unwrap();
    assert_eq!(depths, std::slice::from_ref(&depth));
    let none_due = Depth {
        oldest_due: None,
        past_due: 0,
        ..depth
    };
    assert_eq!(stores.ledger.depths(NOW).await.unwrap(), [none_due]);
}

pub async fn what_is_not_there_is_not_found<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let found = stores.ledger.find(MessageId::new(NOW)).await.unwrap();
    assert_eq!(found, None);
    let page = stores.ledger.page(Filter::default(), 10).await.unwrap();
    assert_eq!(page, []);
}
