//! What the measuring layer tells of each way a call can end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_wechat::client::{Client, Hosts, MeasureLayer, Outcome, Timeouts, TraceLayer};
use hongyan_wechat::errcode::{Class, Endpoint, KNOWN, RateScope, classify};
use hongyan_wechat::error::{DoubtCause, NotSentCause};

use crate::server::{Act, Server, closed_port, data, message, token};

const SHORT: Duration = Duration::from_millis(200);

type Told = Arc<Mutex<Vec<(Endpoint, Outcome, Duration)>>>;

fn measured() -> (Client, Told) {
    let told = Told::default();
    let kept = Arc::clone(&told);
    let timeouts = Timeouts {
        read: SHORT,
        ..Timeouts::default()
    };
    let client = Client::builder()
        .timeouts(timeouts)
        .layer(MeasureLayer::new(move |endpoint, outcome, took| {
            kept.lock().unwrap().push((endpoint, outcome, took));
        }))
        .layer(TraceLayer)
        .build()
        .unwrap();
    (client, told)
}

#[tokio::test]
async fn every_ending_is_told_once() {
    let cases = [
        (
            Act::answer(r#"{"errcode":0,"errmsg":"ok","msgid":1}"#),
            Outcome::Ok,
            "ok",
        ),
        (
            Act::answer(r#"{"errcode":45011,"errmsg":"slower"}"#),
            Outcome::Refused {
                code: 45011,
                class: Class::Rate(RateScope::Account),
            },
            "rate",
        ),
        (
            Act::raw("HTTP/1.1 502 Bad Gateway\r\n\r\n"),
            Outcome::InDoubt(DoubtCause::Status(502)),
            "in_doubt",
        ),
        (Act::Hang, Outcome::InDoubt(DoubtCause::Timeout), "in_doubt"),
    ];
    for (act, expected, name) in cases {
        let silent = matches!(act, Act::Hang);
        let server = Server::always(act).await;
        let (client, told) = measured();
        let client = client.at(server.hosts());
        let _ = client.send_template(&token(), &message(&data("{}"))).await;
        let _ = client
            .send_template_fresh(&token(), &message(&data("{}")), &|| true)
            .await;
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2, "{expected:?}");
        for (endpoint, outcome, took) in &*told {
            assert_eq!((*endpoint, *outcome), (Endpoint::TemplateSend, expected));
            assert_eq!(outcome.name(), name);
            assert!(!silent || *took >= SHORT, "{took:?}");
        }
    }
}

#[tokio::test]
async fn what_was_not_sent_is_told_as_such() {
    let (client, told) = measured();
    let client = client.at(Hosts::new([closed_port().await]).unwrap());
    let _ = client.templates(&token()).await;
    let _ = client
        .send_template_fresh(&token(), &message(&data("{}")), &|| true)
        .await;
    let told = told.lock().unwrap();
    let outcome = Outcome::NotSent(NotSentCause::Connect);
    assert_eq!((told[0].0, told[0].1), (Endpoint::TemplateList, outcome));
    assert_eq!((told[1].0, told[1].1), (Endpoint::TemplateSend, outcome));
    assert_eq!(outcome.name(), "not_sent");
}

/// A label must not take one value a code, nor anything that needs escaping.
#[test]
fn names_are_few_and_plain() {
    let mut names: Vec<_> = KNOWN
        .iter()
        .chain(&[12345])
        .map(|&code| {
            let class = classify(Endpoint::TemplateSend, code);
            Outcome::Refused { code, class }.name()
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 14, "{names:?}");
    for name in names {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    }
}
