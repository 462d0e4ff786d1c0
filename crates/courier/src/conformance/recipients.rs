//! Promises about recipients: what is heard of them is durable, and a message to one that is suppressed costs no call, when
//! it is stored, when it is claimed, and in the look just before its call. A message in doubt never ends so.

use super::fixture::{
    ACCOUNT, NODE, NOW, accepted, answered, at, call, claim, content, lease, new, nonce, receipt,
    subscription,
};
use super::{Adapter, Stores};
use crate::delivery::{LeaseRef, Look, Outcome, ReceiptWord};
use crate::kind::Extras;
use crate::message::{AccountName, Content, MessageId, Reason, Status};
use crate::port::AcceptError;
use crate::reach::Reach;
use crate::recipient::{Following, Heard, News, Recipient, Source, SuppressionFilter, What};
use crate::time::UnixMs;

fn clinic() -> AccountName {
    AccountName::from(ACCOUNT)
}

pub(super) fn event(what: What, now: UnixMs) -> News {
    News::of_event(what, now.0 / 1_000)
}

pub(super) fn by_operator(what: What, now: UnixMs) -> News {
    News {
        what,
        source: Source::Operator,
        at: now,
        errcode: None,
    }
}

pub(super) fn no_more(template_id: Option<&str>) -> What {
    What::Suppress {
        template_id: template_id.map(str::to_owned),
        expires_at: None,
        note: Some("asked us by phone".into()),
    }
}

pub(super) fn resume() -> What {
    What::Resume {
        template_id: None,
        override_until: None,
    }
}

impl Stores {
    pub(super) async fn hear(&self, openid: &str, news: News, now: UnixMs) -> Heard {
        let account = clinic();
        let heard = self
            .recipients
            .hear(&account, openid, vec![news], None, now);
        heard.await.unwrap()
    }

    pub(super) async fn known(&self, openid: &str) -> Recipient {
        self.recipients.recipient(&clinic(), openid).await.unwrap()
    }

    pub(super) async fn stands(&self, id: MessageId) -> (Status, Option<Reason>) {
        let delivery = self.message(id).await.delivery;
        (delivery.status, delivery.reason)
    }

    async fn listed(&self, filter: SuppressionFilter, limit: usize, now: UnixMs) -> Vec<String> {
        let listed = self.recipients.suppressions(filter, limit, now).await;
        listed.unwrap().into_iter().map(|one| one.openid).collect()
    }
}

fn all() -> SuppressionFilter {
    SuppressionFilter {
        account: clinic(),
        reason: None,
        before: None,
        within: Reach::default(),
    }
}

pub async fn what_is_heard_survives_a_restart<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    assert_eq!(stores.known("o1").await, Recipient::default());
    let all = [
        event(What::Follows, NOW),
        event(What::Accepts("t1".into()), at(1)),
        event(What::Refuses("t2".into()), at(1)),
        by_operator(no_more(Some("t3")), at(2)),
    ];
    for news in all {
        stores.hear("o1", news, at(2)).await;
    }
    let not_sure = News {
        what: What::MayNotFollow,
        source: Source::Errcode,
        at: at(3),
        errcode: Some(43004),
    };
    let heard = stores.hear("o1", not_sure, at(3)).await;
    assert_eq!(heard.raised, []);
    let known = heard.recipient;
    assert_eq!(
        (known.state, known.source),
        (Following::Subscribed, Some(Source::Event))
    );
    assert_eq!((known.suppressions.len(), known.credits.len()), (2, 1));
    assert_eq!(known.confirm_at, Some(at(3)));
    let beyond = by_operator(
        What::Resume {
            template_id: Some("t3".into()),
            override_until: Some(at(60)),
        },
        at(4),
    );
    let known = stores.hear("o1", beyond, at(4)).await.recipient;
    assert_eq!(known.suppressions.len(), 1);
    drop(stores);
    let stores = adapter.reopened().await.stores();
    assert_eq!(stores.known("o1").await, known);
    assert_eq!(stores.known("o2").await, Recipient::default());
}

pub async fn news_spends_its_nonce<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let hear = |openid: &'static str| {
        let news = vec![event(What::FollowsNot, NOW)];
        let account = clinic();
        let recipients = stores.recipients.clone();
        async move {
            let nonce = Some(nonce("n", NOW));
            recipients.hear(&account, openid, news, nonce, NOW).await
        }
    };
    assert_eq!(hear("o1").await.unwrap().raised, [Reason::NotSubscribed]);
    assert!(matches!(hear("o2").await, Err(AcceptError::NonceSeen)));
    assert_eq!(stores.known("o2").await, Recipient::default());
}

pub async fn a_message_to_a_suppressed_recipient_ends_as_it_is_stored<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    let other = Content {
        account: "school".into(),
        ..content("o1")
    };
    let messages = vec![
        new(content("o1"), NOW),
        new(content("o2"), NOW),
        new(other, NOW),
    ];
    let taken = stores.take(call(messages), NOW).await;
    let stand = |nth: usize| {
        let stored = taken[nth].unwrap();
        (stored.status, stored.reason)
    };
    let suppressed = (Status::Suppressed, Some(Reason::NotSubscribed));
    assert_eq!(stand(0), suppressed);
    assert_eq!(stand(1), (Status::Queued, None));
    assert_eq!(stand(2), (Status::Queued, None), "another account's");
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let by = stores.join(NODE, NOW).await;
    let claimed = stores.claim(claim(&by, 10), NOW).await;
    assert_eq!(claimed.messages.len(), 1);
    assert!(claimed.suppressed.is_empty());
    let later = stores.store(content("o1"), at(1)).await;
    assert_eq!(stores.stands(later).await, suppressed, "after a restart");
    // It has ended like any other: it is forgotten in time.
    assert_eq!(stores.prune_messages(at(2)).await, 2);
}

pub async fn a_suppression_of_a_template_leaves_the_others<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let refuses = News::of_event(What::Refuses("appointment".into()), NOW.0 / 1_000);
    stores.hear("o1", refuses, NOW).await;
    let other = Content {
        template_id: "invoice".into(),
        ..content("o1")
    };
    let ids = [
        stores.store(content("o1"), NOW).await,
        stores.store(other, NOW).await,
    ];
    assert_eq!(
        stores.stands(ids[0]).await,
        (Status::Suppressed, Some(Reason::UserRefused))
    );
    assert_eq!(stores.status(ids[1]).await, Status::Queued);
}

pub async fn what_waits_ends_when_it_is_claimed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let now = stores.store(content("o1"), NOW).await;
    let planned = Content {
        send_at: Some(at(60)),
        ..content("o1")
    };
    let by = stores.join(NODE, NOW).await;
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    let planned = stores.store(planned, NOW).await;
    assert_eq!(stores.status(planned).await, Status::Queued, "not due yet");
    let other = stores.store(content("o2"), at(1)).await;
    let claimed = stores.claim(claim(&by, 1), at(1)).await;
    assert_eq!(claimed.messages[0].id, other, "it costs no slot");
    assert_eq!(claimed.suppressed.len(), 1);
    let ended = &claimed.suppressed[0];
    assert_eq!((ended.id, ended.status), (now, Status::Suppressed));
    assert_eq!(ended.reason, Some(Reason::NotSubscribed));
    assert_eq!(claimed.next_due, Some(at(60)));
    let claimed = stores.claim(claim(&by, 1), at(60)).await;
    assert!(claimed.messages.is_empty());
    assert_eq!(stores.status(planned).await, Status::Suppressed);
    assert_eq!(stores.status(now).await, Status::Suppressed);
}

pub async fn the_look_before_the_call_ends_what_is_suppressed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for content in [content("o1"), subscription("o2")] {
        let openid = content.touser.clone();
        let (_, message) = stores.leased(content, NOW).await;
        stores
            .hear(&openid, by_operator(no_more(None), at(1)), at(1))
            .await;
        let look = stores.queue.look(lease(&message), at(1)).await.unwrap();
        let reason = Some(Reason::SuppressedByOperator);
        assert_eq!(look, Look::Ended(Status::Suppressed, reason));
        assert_eq!(
            stores.stands(message.id).await,
            (Status::Suppressed, reason)
        );
        let former = LeaseRef {
            id: message.id,
            lease_seq: message.delivery.lease_seq,
        };
        let again = stores.queue.look(former, at(2)).await.unwrap();
        assert_eq!(again, Look::LeaseGone);
    }
}

pub async fn a_message_that_overrides_goes_out_all_the_same<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    stores
        .hear("o1", by_operator(no_more(None), NOW), NOW)
        .await;
    let wanted = Content {
        extras: Some(Box::new(Extras {
            override_suppression: true,
            ..Extras::default()
        })),
        ..content("o1")
    };
    let usual = stores.store(content("o1"), NOW).await;
    assert_eq!(stores.status(usual).await, Status::Suppressed);
    let wanted = stores.store(wanted, NOW).await;
    let message = stores.claim_one(&by, NOW).await;
    assert_eq!(message.id, wanted);
    let look = stores.queue.look(lease(&message), NOW).await.unwrap();
    assert_eq!(look, Look::Go);
    let next = stores.store(content("o1"), at(1)).await;
    assert_eq!(stores.status(next).await, Status::Suppressed, "it alone");
}

pub async fn a_message_in_doubt_never_ends_suppressed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, NOW).await;
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    let claimed = stores.claim(claim(&by, 1), moved.due_at).await;
    let repeat = claimed.messages.first().unwrap();
    let look = stores.queue.look(lease(repeat), moved.due_at).await;
    let unknown = Some(Reason::OutcomeUnknown);
    assert_eq!(look.unwrap(), Look::Ended(Status::Unconfirmed, unknown));
    assert_eq!(stores.status(message.id).await, Status::Unconfirmed);
}

/// A code, the suppression that it leads to, and whether that is about the template alone.
const ANSWERS: [(i64, Option<Reason>, bool); 10] = [
    (40003, Some(Reason::InvalidOpenid), false),
    (49003, Some(Reason::InvalidOpenid), false),
    (43101, Some(Reason::UserRefused), true),
    (48002, Some(Reason::UserRefused), true),
    (43019, Some(Reason::UserBlocked), false),
    (50002, Some(Reason::UserUnavailable), false),
    (43117, Some(Reason::FrequencyLimited), false),
    (43108, None, false),
    (43004, None, false),
    (47003, None, false),
];

pub async fn an_answer_tells_of_its_recipient<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (code, reason, template_alone) in ANSWERS {
        let openid = format!("o{code}");
        let (by, message) = stores.leased(content(&openid), NOW).await;
        stores.settle(&message, answered(code), NOW).await;
        let known = stores.known(&openid).await;
        let suppressed: Vec<_> = known
            .suppressions
            .iter()
            .map(|one| (one.reason, one.template_id.is_some(), one.errcode))
            .collect();
        let expected: Vec<_> = reason
            .into_iter()
            .map(|reason| (reason, template_alone, Some(code)))
            .collect();
        assert_eq!(suppressed, expected, "{code}");
        assert_eq!(known.confirm_at.is_some(), code == 43004, "{code}");
        if reason.is_some_and(|reason| reason != Reason::FrequencyLimited) {
            let next = stores.store(content(&openid), at(1)).await;
            assert_eq!(stores.stands(next).await, (Status::Suppressed, reason));
        }
        drop(by);
    }
}

pub async fn a_receipt_tells_of_its_recipient<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let blocked = ReceiptWord::Failed(Reason::UserBlocked);
    stores.sent(content("o1"), 7_001, NOW).await;
    stores.receive(receipt(7_001, "o1", blocked), NOW).await;
    // Of a message that another program sent from the same account.
    stores.receive(receipt(9_999, "o2", blocked), NOW).await;
    for openid in ["o1", "o2"] {
        let next = stores.store(content(openid), at(1)).await;
        let suppressed = (Status::Suppressed, Some(Reason::UserBlocked));
        assert_eq!(stores.stands(next).await, suppressed, "{openid}");
    }
    stores.hear("o1", event(What::Follows, at(2)), at(2)).await;
    // The same receipt once more changes nothing.
    stores.receive(receipt(7_001, "o1", blocked), at(3)).await;
    let next = stores.store(content("o1"), at(3)).await;
    assert_eq!(stores.status(next).await, Status::Queued);
}

pub async fn whoever_follows_again_is_written_to_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.hear("o1", event(What::FollowsNot, NOW), NOW).await;
    let before = stores.store(content("o1"), NOW).await;
    let heard = stores.hear("o1", event(What::Follows, at(5)), at(5)).await;
    assert_eq!(heard.recipient.suppressions, []);
    // WeChat repeats its events, and they overtake each other.
    let late = stores
        .hear("o1", event(What::FollowsNot, at(1)), at(6))
        .await;
    assert_eq!(
        (late.raised.len(), late.recipient.state),
        (0, Following::Subscribed)
    );
    let after = stores.store(content("o1"), at(6)).await;
    assert_eq!(stores.status(after).await, Status::Queued);
    assert_eq!(stores.status(before).await, Status::Suppressed);
    let retried = stores.ledger.retry(before, false, None, at(7)).await;
    assert_eq!(retried.unwrap().status, Status::Queued);
}

pub async fn a_person_can_resume_what_is_suppressed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(43019), NOW).await;
    stores.hear("o1", by_operator(resume(), at(1)), at(1)).await;
    let next = stores.store(content("o1"), at(1)).await;
    assert_eq!(stores.status(next).await, Status::Queued);
}

pub async fn a_suppression_ends_by_itself<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let for_a_minute = What::Suppress {
        template_id: None,
        expires_at: Some(at(60)),
        note: None,
    };
    stores.hear("o1", by_operator(for_a_minute, NOW), NOW).await;
    let before = stores.store(content("o1"), at(59)).await;
    let after = stores.store(content("o1"), at(60)).await;
    assert_eq!(stores.status(before).await, Status::Suppressed);
    assert_eq!(stores.status(after).await, Status::Queued);
    assert_eq!(stores.listed(all(), 10, at(59)).await, ["o1"]);
    assert!(stores.listed(all(), 10, at(60)).await.is_empty());
}

pub async fn suppressions_are_listed_newest_first<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for n in 0..5 {
        let news = by_operator(no_more(None), at(n / 2));
        stores.hear(&format!("o{n}"), news, at(n / 2)).await;
    }
    stores
        .hear("o9", event(What::FollowsNot, at(9)), at(9))
        .await;
    let first = stores
        .recipients
        .suppressions(all(), 2, at(9))
        .await
        .unwrap();
    let openids: Vec<&str> = first.iter().map(|one| one.openid.as_str()).collect();
    assert_eq!(openids, ["o9", "o4"]);
    let rest = SuppressionFilter {
        before: Some(first[1].place()),
        ..all()
    };
    assert_eq!(
        stores.listed(rest, 10, at(9)).await,
        ["o3", "o2", "o1", "o0"]
    );
    let of_reason = SuppressionFilter {
        reason: Some(Reason::NotSubscribed),
        ..all()
    };
    assert_eq!(stores.listed(of_reason, 10, at(9)).await, ["o9"]);
    // What is about all templates concerns whoever reaches one.
    let news = by_operator(no_more(Some("homework")), at(9));
    stores.hear("o8", news, at(9)).await;
    for (template, count) in [("homework", 7), ("appointment", 6)] {
        let within = SuppressionFilter {
            within: Reach::within(Vec::new(), vec![template.into()]),
            ..all()
        };
        let listed = stores.listed(within, 10, at(9)).await;
        assert_eq!(listed.len(), count, "{template}: {listed:?}");
    }
    let of_other = SuppressionFilter {
        account: "school".into(),
        ..all()
    };
    assert!(stores.listed(of_other, 10, at(9)).await.is_empty());
}

pub async fn who_may_not_follow_is_to_be_confirmed<A: Adapter>() {
    let stores = A::fresh().await.stores();
    for (openid, second) in [("o2", 0), ("o1", 1)] {
        let (_, message) = stores.leased(content(openid), at(second)).await;
        stores.settle(&message, answered(43004), at(second)).await;
    }
    let due = async |now| {
        let due = stores.recipients.to_confirm(10, now).await.unwrap();
        let of_clinic = due.into_iter().map(|(account, openid)| {
            assert_eq!(account, clinic());
            openid
        });
        of_clinic.collect::<Vec<_>>()
    };
    assert_eq!(due(at(0)).await, ["o2"]);
    assert_eq!(due(at(1)).await, ["o2", "o1"]);
    let by_user_info = |what, now| News {
        what,
        source: Source::UserInfo,
        at: now,
        errcode: None,
    };
    let later = by_user_info(What::AskAgain(at(60)), at(2));
    stores.hear("o2", later, at(2)).await;
    assert_eq!(due(at(2)).await, ["o1"]);
    stores
        .hear("o1", by_user_info(What::FollowsNot, at(3)), at(3))
        .await;
    stores
        .hear("o2", by_user_info(What::Follows, at(3)), at(3))
        .await;
    assert!(due(at(99)).await.is_empty());
    let ended = stores.store(content("o1"), at(4)).await;
    let goes = stores.store(content("o2"), at(4)).await;
    assert_eq!(stores.status(ended).await, Status::Suppressed);
    assert_eq!(stores.status(goes).await, Status::Queued);
}

pub async fn an_agreement_is_used_up_by_one_message<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let accepts = |second| event(What::Accepts("appointment".into()), at(second));
    for second in [1, 2, 2] {
        stores.hear("o1", accepts(second), at(second)).await;
    }
    let left = async || stores.known("o1").await.credits[0].left;
    assert_eq!(left().await, 2, "a repeated event is one act");
    for (second, left_then) in [(3, 1), (4, 0), (5, 0)] {
        let (_, message) = stores.leased(subscription("o1"), at(second)).await;
        let took = Outcome::Accepted { msgid: None };
        stores.settle(&message, took, at(second)).await;
        assert_eq!(left().await, left_then);
    }
    let (_, message) = stores.leased(content("o1"), at(6)).await;
    stores.hear("o1", accepts(6), at(6)).await;
    stores.settle(&message, accepted(7_001), at(6)).await;
    assert_eq!(left().await, 1, "template messages need none");
}
