//! What is told to whom, how long an event is tried, and when a webhook is left alone.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::Breaker;
use super::*;
use crate::delivery::{Attempt, Delivery, ReceiptRecord};
use crate::message::{Kind, Priority};
use crate::next::Roll;

const NOW: UnixMs = UnixMs(1_795_400_000_000);

fn content(client: &str, account: &str) -> Content {
    Content {
        account: account.into(),
        client: client.into(),
        kind: Kind::Template,
        priority: Priority::Normal,
        touser: "o1".into(),
        template_id: "t".into(),
        url: None,
        miniprogram: None,
        data: "{}".into(),
        extras: None,
        reference: None,
        trace_id: None,
        send_at: None,
        broadcast: None,
    }
}

#[test]
fn a_webhook_is_told_of_its_clients_messages_alone() {
    let mut hook = Subscription {
        name: "hook".into(),
        client: "orders".into(),
        statuses: vec![Status::Delivered],
        accounts: Vec::new(),
    };
    assert!(hook.wants(&content("orders", "clinic"), Status::Delivered));
    assert!(!hook.wants(&content("orders", "clinic"), Status::Sent));
    assert!(!hook.wants(&content("other", "clinic"), Status::Delivered));
    hook.accounts = vec!["school".into()];
    assert!(!hook.wants(&content("orders", "clinic"), Status::Delivered));
    assert!(hook.wants(&content("orders", "school"), Status::Delivered));
}

#[test]
fn only_a_move_is_told_of() {
    assert!(is_told(Some(Status::Sending), Status::Sent));
    assert!(is_told(None, Status::Suppressed));
    assert!(!is_told(Some(Status::Sent), Status::Sent));
    assert!(!is_told(Some(Status::Queued), Status::Sending));
    assert!(!is_told(Some(Status::Failed), Status::Queued));
}

#[test]
fn a_late_try_says_what_the_first_said() {
    let mut message = Message {
        id: MessageId::new(NOW),
        created_at: NOW,
        content: Arc::new(content("orders", "clinic")),
        delivery: Delivery::queued(NOW, None),
    };
    let call = |at: UnixMs| Attempt {
        at,
        errcode: Some(0),
        errmsg: "ok".into(),
        rid: None,
        took_ms: 1,
        msgid: Some(1),
        generation: 0,
    };
    message.delivery.status = Status::Sent;
    message.delivery.msgid = Some(1);
    message.delivery.attempts = vec![call(NOW)];
    let sent = Event::new("hook", &message, NOW);
    let first = sent.as_it_stood(&message);
    let later = NOW.plus(Duration::from_secs(1));
    message.delivery.status = Status::Delivered;
    message.delivery.msgid = Some(2);
    message.delivery.attempts.push(call(later));
    message.delivery.receipt = Some(ReceiptRecord::new("success", later));
    assert_eq!(sent.as_it_stood(&message), first);
}

#[test]
fn an_event_is_tried_for_hours_and_then_given_up() {
    let refused = refusal(500, None);
    let mut now = NOW;
    for tries in 1..TRIES_MAX {
        match judge(NOW, tries, &refused, now, Roll(0.5)) {
            Verdict::Again { at, why } => {
                assert!(at > now, "{tries}");
                assert_eq!(why, "HTTP 500");
                now = at;
            }
            other => panic!("{tries}: {other:?}"),
        }
    }
    let hours = now.since(NOW).as_secs() / 3_600;
    assert!((12..24).contains(&hours), "{hours}");
    let last = judge(NOW, TRIES_MAX, &refused, now, Roll(0.5));
    assert!(matches!(last, Verdict::GivenUp { .. }));
    let old = NOW.plus(GIVE_UP_AFTER);
    let late = judge(NOW, 1, &refused, old, Roll(0.5));
    assert!(matches!(late, Verdict::GivenUp { .. }));
}

fn refusal(status: u16, seconds: Option<u64>) -> Posted {
    Posted::Refused {
        status,
        retry_after: seconds.map(Duration::from_secs),
    }
}

#[test]
fn a_webhook_may_ask_for_time_but_not_for_ever() {
    for (asked, seconds) in [(None, 5), (Some(90), 90), (Some(999_999), 3_600)] {
        let verdict = judge(NOW, 1, &refusal(429, asked), NOW, Roll(0.5));
        let at = NOW.plus(Duration::from_secs(seconds));
        let why = "HTTP 429".to_owned();
        assert_eq!(verdict, Verdict::Again { at, why }, "{asked:?}");
    }
    let gone = judge(NOW, 1, &refusal(410, None), NOW, Roll(0.5));
    assert!(matches!(gone, Verdict::Gone { .. }));
}

#[test]
fn an_outage_lets_one_probe_out_at_a_time_until_one_is_taken() {
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        assert!(!breaker.failed(NOW));
    }
    assert_eq!(breaker.room(8, NOW), 8);
    assert!(breaker.failed(NOW), "that opens it");
    assert_eq!(breaker.room(8, NOW), 0);
    // What was under way at that moment says nothing new.
    assert!(!breaker.failed(NOW));
    let probe_at = breaker.is_open().unwrap();
    assert_eq!(probe_at, NOW.plus(Duration::from_secs(5)));
    assert_eq!(breaker.room(8, probe_at), 1);
    assert!(!breaker.failed(probe_at));
    assert_eq!(breaker.failing_since(), Some(NOW));
    let second = breaker.is_open().unwrap();
    assert_eq!(second, probe_at.plus(Duration::from_secs(10)));
    assert!(breaker.well(), "that closes it");
    assert!(!breaker.well());
    assert_eq!(breaker.failing_since(), None);
    assert_eq!(breaker.room(8, second), 8);
    breaker.pause(second.plus(Duration::from_secs(9)));
    assert_eq!(breaker.room(8, second), 0);
}
