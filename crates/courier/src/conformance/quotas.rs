//! What is known of an account's quota survives, and what waits for today is counted.

use super::Adapter;
use super::fixture::{ACCOUNT, NOW, at, call, content, new};
use crate::message::{Content, Kind, Priority};
use crate::quota::{QuotaRecord, Told};

pub async fn nothing_is_known_of_a_quota_until_something_is_stored<A: Adapter>() {
    let quotas = A::fresh().await.stores().quotas;
    let record = quotas.quota(&ACCOUNT.into()).await.unwrap();
    assert_eq!(record, QuotaRecord::default());
}

pub async fn a_quota_survives_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let quotas = adapter.stores().quotas;
    let told = Told {
        limit: 100_000,
        used: 60_000,
        remaining: 40_000,
        at: NOW,
    };
    let record = QuotaRecord {
        told: Some(told),
        others: [(Kind::Subscription, Told { used: 1, ..told })].into(),
        spent_until: Some(at(60)),
        others_spent: [(Kind::Subscription, at(70))].into(),
        clearings: vec![NOW, at(1)],
        no_clearing_before: Some(at(3_600)),
    };
    let school = QuotaRecord {
        spent_until: Some(at(1)),
        ..QuotaRecord::default()
    };
    quotas
        .set_quota(&ACCOUNT.into(), QuotaRecord::default())
        .await
        .unwrap();
    quotas
        .set_quota(&ACCOUNT.into(), record.clone())
        .await
        .unwrap();
    quotas.set_quota(&"school".into(), school).await.unwrap();
    drop(quotas);
    let quotas = adapter.reopened().await.stores().quotas;
    assert_eq!(quotas.quota(&ACCOUNT.into()).await.unwrap(), record);
}

pub async fn what_waits_for_today_is_counted<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let of = |nth: usize, priority: Priority| Content {
        priority,
        ..content(&format!("o{nth}"))
    };
    for (nth, priority) in [Priority::High, Priority::Bulk, Priority::Bulk]
        .into_iter()
        .enumerate()
    {
        stores.store(of(nth, priority), NOW).await;
    }
    let mut tomorrow = new(of(3, Priority::Bulk), NOW);
    tomorrow.not_before = Some(at(100));
    stores.take(call(vec![tomorrow]), NOW).await;
    let school = Content {
        account: "school".into(),
        ..content("o1")
    };
    stores.store(school, NOW).await;
    let count = async |until| {
        let account = ACCOUNT.into();
        let counted = stores.quotas.queued_before(&account, until);
        counted.await.unwrap()
    };
    assert_eq!(count(at(100)).await, [1, 0, 2]);
    assert_eq!(count(at(101)).await, [1, 0, 3]);
    let by = stores.join("n1", NOW).await;
    stores.claim(super::fixture::claim(&by, 10), NOW).await;
    assert_eq!(
        count(at(101)).await,
        [0, 0, 1],
        "what is sent waits no more"
    );
}
