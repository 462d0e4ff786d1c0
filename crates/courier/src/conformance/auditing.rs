//! Promises of the list of who did what: it is written in the transaction of what was done, and only grows.

use super::fixture::{NOW, at, content, nonce};
use super::{Adapter, Stores};
use crate::audit::{Act, AuditFilter, Entry, Verifier, mark};
use crate::port::{ChangeError, Nonce};
use crate::time::UnixMs;

fn act(what: &str, at: UnixMs) -> Act {
    Act {
        at,
        who: "desk".into(),
        from: Some("192.0.2.1".into()),
        what: what.into(),
        account: Some("clinic".into()),
        subject: None,
        recipient: None,
        details: Some(r#"{"force":true}"#.into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    }
}

fn noted(name: &str, act: Act) -> Nonce {
    Nonce {
        act: Some(Box::new(act)),
        ..nonce(name, NOW)
    }
}

impl Stores {
    async fn audited(&self, filter: AuditFilter, limit: usize) -> Vec<Entry> {
        self.audit.audited(filter, limit).await.unwrap()
    }

    async fn done(&self) -> Vec<String> {
        let from_the_first = AuditFilter {
            after: Some(0),
            ..AuditFilter::default()
        };
        let all = self.audited(from_the_first, 100).await;
        all.into_iter().map(|entry| entry.act.what).collect()
    }
}

pub async fn what_was_done_is_kept_whole_and_sealed<A: Adapter>() {
    let adapter = A::fresh().await;
    let whole = act("first", NOW);
    adapter.stores().audit.record(whole.clone()).await.unwrap();
    let bare = Act {
        from: None,
        account: None,
        details: None,
        trace_id: None,
        ..act("second", at(1))
    };
    adapter.stores().audit.record(bare.clone()).await.unwrap();
    let adapter = adapter.reopened().await;
    adapter
        .stores()
        .audit
        .record(act("third", at(2)))
        .await
        .unwrap();
    let from_the_first = AuditFilter {
        after: Some(0),
        ..AuditFilter::default()
    };
    let all = adapter.stores().audited(from_the_first, 10).await;
    assert_eq!((&all[0].act, &all[1].act), (&whole, &bare));
    let mut verifier = Verifier::default();
    for entry in &all {
        verifier.take(entry).unwrap();
    }
    assert_eq!(verifier.head().0, 3);
}

pub async fn a_change_is_written_down_in_its_own_transaction<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let id = stores.store(content("o1"), NOW).await;
    let cancel = noted("n1", act("messages.cancel", at(1)));
    let ledger = &stores.ledger;
    ledger
        .cancel(id, Some(cancel.clone()), at(1))
        .await
        .unwrap();
    assert_eq!(stores.done().await, ["messages.cancel"]);
    // Neither what was played twice nor what was refused was done.
    let again = ledger.cancel(id, Some(cancel), at(2)).await;
    assert!(matches!(again, Err(ChangeError::NonceSeen)));
    let refused = noted("n2", act("messages.cancel", at(2)));
    assert!(ledger.cancel(id, Some(refused), at(2)).await.is_err());
    assert_eq!(stores.done().await, ["messages.cancel"]);
    let retry = noted("n3", act("messages.retry", at(3)));
    ledger.retry(id, false, Some(retry), at(3)).await.unwrap();
    let elsewhere = noted("n4", act("quota.clear", at(4)));
    ledger.spend(elsewhere.clone(), at(4)).await.unwrap();
    assert!(ledger.spend(elsewhere, at(5)).await.is_err());
    assert_eq!(
        stores.done().await,
        ["messages.cancel", "messages.retry", "quota.clear"]
    );
}

pub async fn every_audit_filter_narrows<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let other = Act {
        who: "ops".into(),
        account: Some("school".into()),
        subject: Some("m1".into()),
        recipient: Some(mark("oTwo")),
        ..act("second", at(60))
    };
    for one in [act("first", NOW), other, act("third", at(120))] {
        stores.audit.record(one).await.unwrap();
    }
    let listed = async |filter: AuditFilter| -> Vec<u64> {
        let page = stores.audited(filter, 10).await;
        page.into_iter().map(|entry| entry.number).collect()
    };
    let any = AuditFilter::default;
    assert_eq!(listed(any()).await, [3, 2, 1]);
    let before = Some(3);
    assert_eq!(listed(AuditFilter { before, ..any() }).await, [2, 1]);
    let after = Some(1);
    assert_eq!(listed(AuditFilter { after, ..any() }).await, [2, 3]);
    let who = Some("ops".into());
    assert_eq!(listed(AuditFilter { who, ..any() }).await, [2]);
    let accounts = vec!["school".into(), "nowhere".into()];
    assert_eq!(listed(AuditFilter { accounts, ..any() }).await, [2]);
    let subject = Some("m1".into());
    assert_eq!(listed(AuditFilter { subject, ..any() }).await, [2]);
    let recipient = Some(mark("oTwo"));
    assert_eq!(listed(AuditFilter { recipient, ..any() }).await, [2]);
    let (since, until) = (Some(at(60)), Some(at(120)));
    let between = AuditFilter {
        since,
        until,
        ..any()
    };
    assert_eq!(listed(between).await, [2]);
    assert_eq!(stores.audited(any(), 1).await[0].number, 3);
}
