//! Promises of `templates`: lists are kept with what happened to them, and a stopped template's messages wait while all
//! others go.

use super::fixture::{
    ACCOUNT, NODE, NOW, accepted, answered, at, call, claim, content, lease, new, subscription,
};
use super::{Adapter, Stores};
use crate::delivery::{Look, Outcome};
use crate::kind::ListOf;
use crate::message::{AccountName, Content, Kind, MessageId, Reason, Status};
use crate::template::catalogue::{Happened, Listed, Update};
use crate::template::stop::StopCause;
use crate::template::{Lasts, Template};
use crate::time::UnixMs;

/// The template of the usual messages, and what it asks for.
const TEMPLATE: &str = "appointment";
pub(super) const TEXT: &str = "事项：{{thing1.DATA}}";
pub(super) const EDITED: &str = "事项：{{thing1.DATA}}\n时间：{{time2.DATA}}";

pub(super) fn listed(id: &str, text: &str) -> Listed {
    Listed {
        list: ListOf::Templates,
        template: Template::new(id, "预约提醒", text),
        example: "事项：复诊".into(),
        primary_industry: "医药护理".into(),
        deputy_industry: "医药医疗".into(),
    }
}

pub(super) fn account() -> AccountName {
    ACCOUNT.into()
}

impl Stores {
    pub(super) async fn list(&self, list: Vec<Listed>, now: UnixMs) -> Update {
        self.list_of(ListOf::Templates, list, now).await
    }

    async fn list_of(&self, of: ListOf, list: Vec<Listed>, now: UnixMs) -> Update {
        self.templates
            .take_over(&account(), of, list, now)
            .await
            .unwrap()
    }

    async fn stop_cause(&self, template_id: &str) -> Option<StopCause> {
        let catalogue = self.templates.catalogue(&account()).await.unwrap();
        catalogue.stops.get(template_id).map(|stop| stop.cause)
    }

    /// Listed as usual, then without what the usual messages need.
    async fn stopped(&self) {
        self.list(vec![listed(TEMPLATE, TEXT), listed("other", TEXT)], NOW)
            .await;
        self.list(vec![listed(TEMPLATE, EDITED), listed("other", TEXT)], NOW)
            .await;
        assert_eq!(self.stop_cause(TEMPLATE).await, Some(StopCause::Edited));
    }

    async fn is_aside(&self, id: MessageId) -> bool {
        let delivery = self.message(id).await.delivery;
        delivery.status == Status::Queued && delivery.reason == Some(Reason::TemplateStopped)
    }
}

fn of_other(openid: &str) -> Content {
    Content {
        template_id: "other".into(),
        ..content(openid)
    }
}

pub async fn a_list_is_kept_with_what_happened_to_it<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    let never = stores.templates.catalogue(&account()).await.unwrap();
    assert_eq!((never.synced.len(), never.templates.len()), (0, 0));
    let mut first = listed(TEMPLATE, TEXT);
    let choices = vec!["已通过".to_owned()];
    first.template.choices.insert("phrase3".into(), choices);
    stores
        .list(vec![first.clone(), listed("b", TEXT)], NOW)
        .await;
    let gone = stores.list(vec![first.clone()], at(3_600)).await;
    assert_eq!(gone.drifts.len(), 1);
    drop(stores);

    let templates = adapter.reopened().await.stores().templates;
    let catalogue = templates.catalogue(&account()).await.unwrap();
    assert_eq!(catalogue.synced, [(ListOf::Templates, at(3_600))].into());
    let (kept, left) = (&catalogue.templates[TEMPLATE], &catalogue.templates["b"]);
    assert_eq!(kept.listed, first);
    assert_eq!(
        (kept.first_seen, kept.last_seen, kept.gone_at),
        (NOW, at(3_600), None)
    );
    assert_eq!((left.last_seen, left.gone_at), (NOW, Some(at(3_600))));
    let history = templates.history(&account(), "b", 10).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|entry| (entry.happened, entry.at))
        .collect();
    assert_eq!(told, [(Happened::Gone, at(3_600)), (Happened::Added, NOW)]);
    assert_eq!(history[1].text, TEXT);
    let latest = templates.history(&account(), "b", 1).await.unwrap();
    assert_eq!(latest.as_slice(), &history[..1]);
    let other = templates.catalogue(&"school".into()).await.unwrap();
    assert!(other.synced.is_empty(), "accounts do not meet");
}

pub async fn each_list_stands_for_itself<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.list(vec![listed(TEMPLATE, TEXT)], NOW).await;
    let mut own = Listed {
        list: ListOf::Subscriptions,
        ..listed("s1", TEXT)
    };
    own.template.lasts = Some(Lasts::LongTerm);
    let lists = [vec![own.clone()], vec![]];
    for (list, seconds) in lists.into_iter().zip([1, 2]) {
        let (of, now) = (ListOf::Subscriptions, at(seconds));
        stores.list_of(of, list, now).await;
    }
    drop(stores);
    let templates = adapter.reopened().await.stores().templates;
    let catalogue = templates.catalogue(&account()).await.unwrap();
    let synced = [(ListOf::Templates, NOW), (ListOf::Subscriptions, at(2))];
    assert_eq!(catalogue.synced, synced.into());
    assert_eq!(catalogue.templates[TEMPLATE].gone_at, None);
    let kept = &catalogue.templates["s1"];
    assert_eq!((&kept.listed, kept.gone_at), (&own, Some(at(2))));
    assert_eq!(
        catalogue.stops.into_keys().collect::<Vec<_>>(),
        ["s1"],
        "of the list that no longer has it"
    );
}

/// The stop came when the message was on its way to its call.
pub async fn what_is_leased_when_its_template_is_stopped_is_put_aside_before_its_call<
    A: Adapter,
>() {
    for content in [content("o1"), subscription("o1")] {
        let stores = A::fresh().await.stores();
        let (by, message) = stores.leased(content, NOW).await;
        stores.store(of_other("o2"), NOW).await;
        let other = stores.claim_one(&by, NOW).await;
        stores.stopped().await;
        let look = stores.queue.look(lease(&other), at(1)).await.unwrap();
        assert_eq!(look, Look::Go, "its template is another");
        let look = stores.queue.look(lease(&message), at(1)).await.unwrap();
        assert_eq!(look, Look::PutAside);
        assert!(stores.is_aside(message.id).await);
        assert!(
            stores
                .message(message.id)
                .await
                .delivery
                .attempts
                .is_empty()
        );
    }
    // One in doubt is repeated all the same.
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, NOW).await;
    let again = stores.claim_one(&by, moved.due_at).await;
    stores.stopped().await;
    let look = stores.queue.look(lease(&again), moved.due_at).await;
    assert_eq!(look.unwrap(), Look::Go);
}

pub async fn a_stop_survives_a_restart_and_is_flagged<A: Adapter>() {
    let adapter = A::fresh().await;
    let stores = adapter.stores();
    stores.stopped().await;
    let before = stores.templates.catalogue(&account()).await.unwrap();
    drop(stores);
    let stores = adapter.reopened().await.stores();
    let after = stores.templates.catalogue(&account()).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.stops[TEMPLATE].text.as_deref(), Some(TEXT));
    let flag = (TEMPLATE.to_owned(), Reason::TemplateEdited);
    assert_eq!(stores.flags().await, [flag]);
    let id = stores.store(content("o1"), NOW).await;
    assert!(stores.is_aside(id).await, "it is heeded too");
    assert!(stores.templates.resume(&account(), TEMPLATE).await.unwrap());
    assert!(!stores.templates.resume(&account(), TEMPLATE).await.unwrap());
    assert_eq!(stores.flags().await, []);
}

pub async fn a_stopped_templates_messages_wait_and_all_others_go<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let before = stores.store(content("o1"), NOW).await;
    let later = Content {
        send_at: Some(at(5)),
        ..content("o2")
    };
    let later = stores.store(later, NOW).await;
    stores.stopped().await;
    let after = stores.store(content("o3"), NOW).await;
    let other = stores.store(of_other("o1"), NOW).await;
    let claimed = stores.claim(claim(&by, 10), at(5)).await.messages;
    let ids: Vec<_> = claimed.iter().map(|message| message.id).collect();
    assert_eq!(ids, [other], "nor does a busy recipient hold it up");
    for id in [before, later, after] {
        assert!(stores.is_aside(id).await);
    }
    let again = stores.claim(claim(&by, 10), at(6)).await;
    assert!(
        again.messages.is_empty() && !again.more,
        "they are not looked at again"
    );
}

pub async fn a_stopped_templates_backlog_hides_nobody<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    let backlog = (0..500).map(|n| new(content(&format!("o{n}")), NOW));
    stores.take(call(backlog.collect()), NOW).await;
    let behind = stores.store(of_other("behind"), at(1)).await;
    stores.stopped().await;
    for _ in 0..10 {
        let claimed = stores.claim(claim(&by, 10), at(1)).await;
        if let Some(found) = claimed.messages.first() {
            assert_eq!(found.id, behind);
            return;
        }
        assert!(claimed.more, "there is more to look at");
    }
    panic!("it is hidden");
}

pub async fn a_resumed_templates_messages_are_called_back<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    stores.stopped().await;
    let many = (0..5)
        .map(|n| new(content(&format!("o{n}")), NOW))
        .collect();
    stores.take(call(many), NOW).await;
    assert_eq!(stores.templates.call_back(10, at(1)).await.unwrap(), 0);
    // As it was: nobody has to be asked.
    let update = stores.list(vec![listed(TEMPLATE, TEXT)], at(2)).await;
    assert_eq!(update.resumed, [TEMPLATE]);
    assert_eq!(stores.templates.call_back(3, at(2)).await.unwrap(), 3);
    assert_eq!(stores.templates.call_back(3, at(2)).await.unwrap(), 2);
    assert_eq!(stores.templates.call_back(3, at(2)).await.unwrap(), 0);
    let claimed = stores.claim(claim(&by, 10), at(2)).await.messages;
    assert_eq!(claimed.len(), 5);
    assert_eq!(claimed[0].delivery.reason, None);
    assert_eq!(
        stores.flags().await,
        [("other".to_owned(), Reason::TemplateGone)]
    );
}

pub async fn what_was_not_called_back_is_looked_at_again<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let by = stores.join(NODE, NOW).await;
    stores.stopped().await;
    let id = stores.store(content("o1"), NOW).await;
    let due = stores.message(id).await.delivery.due_at;
    assert!(stores.claim(claim(&by, 1), due).await.messages.is_empty());
    assert!(stores.message(id).await.delivery.due_at > due);
    stores.templates.resume(&account(), TEMPLATE).await.unwrap();
    let due = stores.message(id).await.delivery.due_at;
    assert_eq!(stores.claim_one(&by, due).await.id, id);
}

pub async fn an_answer_about_the_template_stops_it<A: Adapter>() {
    for (errcode, cause) in [
        (40249, Some(StopCause::ContentBlocked)),
        (43116, Some(StopCause::Restricted)),
        (48011, Some(StopCause::Unusable)),
        (47003, None),
        (43004, None),
        (43100, None),
    ] {
        let stores = A::fresh().await.stores();
        let (_, message) = stores.leased(content("o1"), NOW).await;
        stores.settle(&message, answered(errcode), NOW).await;
        assert_eq!(stores.stop_cause(TEMPLATE).await, cause, "{errcode}");
    }
}

/// Believed when it is said twice; and a list that has it ends what was a whim of WeChat's.
pub async fn a_list_ends_the_stop_of_a_template_that_wechat_denied<A: Adapter>() {
    for kind in [Kind::Template, Kind::Subscription] {
        let of = kind.traits().list.unwrap();
        let content = |openid: &str| Content {
            kind,
            ..content(openid)
        };
        let stores = A::fresh().await.stores();
        let (by, message) = stores.leased(content("o1"), NOW).await;
        let moved = stores.settle(&message, answered(40037), NOW).await;
        assert_eq!(stores.stop_cause(TEMPLATE).await, None);
        let waiting = stores.store(content("o2"), NOW).await;
        let message = stores
            .claim(claim(&by, 2), moved.due_at)
            .await
            .messages
            .remove(1);
        let moved = stores.settle(&message, answered(40037), moved.due_at).await;
        assert_eq!(moved.status, Status::Failed);
        assert_eq!(stores.stop_cause(TEMPLATE).await, Some(StopCause::Unknown));
        let third = stores.store(content("o3"), moved.due_at).await;
        assert!(stores.is_aside(third).await);
        assert_eq!(stores.status(waiting).await, Status::Sending);
        let list = Listed {
            list: of,
            ..listed(TEMPLATE, TEXT)
        };
        let update = stores.list_of(of, vec![list], at(60)).await;
        assert_eq!(update.resumed, [TEMPLATE]);
        assert_eq!(stores.stop_cause(TEMPLATE).await, None);
    }
}

/// Of the authorise page's templates there is no list that could end it.
pub async fn a_template_of_no_list_is_stopped_by_what_an_operator_ends_alone<A: Adapter>() {
    for (errcode, stopped) in [(48011, false), (43107, true)] {
        let stores = A::fresh().await.stores();
        let one_time = Content {
            kind: Kind::OneTime,
            ..content("o1")
        };
        let (_, message) = stores.leased(one_time, NOW).await;
        stores.settle(&message, answered(errcode), NOW).await;
        let cause = stores.stop_cause(TEMPLATE).await;
        assert_eq!(cause.is_some(), stopped, "{errcode}");
    }
}

pub async fn a_list_does_not_end_what_wechat_restricts<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.list(vec![listed(TEMPLATE, TEXT)], NOW).await;
    let (_, message) = stores.leased(content("o1"), NOW).await;
    stores.settle(&message, answered(43116), NOW).await;
    for list in [vec![], vec![listed(TEMPLATE, TEXT)]] {
        stores.list(list, at(60)).await;
        assert_eq!(
            stores.stop_cause(TEMPLATE).await,
            Some(StopCause::Restricted)
        );
    }
}

pub async fn what_is_in_doubt_is_repeated_although_its_template_is_stopped<A: Adapter>() {
    let stores = A::fresh().await.stores();
    let (by, message) = stores.leased(content("o1"), NOW).await;
    let moved = stores.settle(&message, Outcome::InDoubt, NOW).await;
    stores.stopped().await;
    let again = stores.claim_one(&by, moved.due_at).await;
    assert_eq!(again.id, message.id);
    let moved = stores.settle(&again, accepted(7), moved.due_at).await;
    assert_eq!(moved.status, Status::Sent);
}

pub async fn a_message_aside_can_be_cancelled<A: Adapter>() {
    let stores = A::fresh().await.stores();
    stores.stopped().await;
    let id = stores.store(content("o1"), NOW).await;
    stores.ledger.cancel(id, None, at(1)).await.unwrap();
    assert_eq!(stores.status(id).await, Status::Cancelled);
    stores.templates.resume(&account(), TEMPLATE).await.unwrap();
    assert_eq!(stores.templates.call_back(10, at(2)).await.unwrap(), 0);
}
