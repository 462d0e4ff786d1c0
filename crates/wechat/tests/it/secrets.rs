//! Tokens and secrets reach no error text, no `Debug` and no trace, even when a server echoes them.

use std::error::Error;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_wechat::callback::{CallbackSecrets, CallbackToken};
use hongyan_wechat::client::{Client, Hosts, Timeouts, TraceLayer};
use hongyan_wechat::errcode::Endpoint;
use hongyan_wechat::token::Credential;
use hongyan_wechat::{AccessToken, AppSecret};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::server::{Act, CANARY, Server, closed_port, data, json, message, token};

const SECRET: &str = "0123456789abcdefCANARYsecret";

/// Everything that a server which repeats `secret` can say.
fn acts(secret: &str) -> Vec<Act> {
    vec![
        Act::answer(format!(
            r#"{{"errcode":40013,"errmsg":"invalid {secret}!"}}"#
        )),
        Act::answer(format!(r#"{{"errcode":"{secret}","errmsg":"{secret}"}}"#)),
        Act::answer(format!(
            r#"{{"access_token":"{secret}","expires_in":"{secret}","openid":7}}"#
        )),
        Act::raw(json(secret)),
        Act::raw(format!("HTTP/1.1 500 {secret}\r\n\r\n{secret}")),
        Act::raw(format!("{secret}\r\n\r\n")),
        Act::raw(format!("HTTP/1.1 200 OK\r\n{secret}\r\n\r\n")),
        Act::raw(""),
        Act::Hang,
    ]
}

/// Servers that do so, and two that cannot be reached.
async fn hosts(secret: &str) -> (Vec<Server>, Vec<Hosts>) {
    let mut servers = Vec::new();
    let mut bases = vec![closed_port().await, "https://name.invalid".to_owned()];
    for act in acts(secret) {
        let server = Server::always(act).await;
        bases.push(server.base());
        servers.push(server);
    }
    (
        servers,
        bases
            .into_iter()
            .map(|base| Hosts::new([base]).unwrap())
            .collect(),
    )
}

fn shown(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error:?} {error:#?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("\n{error}");
        next = error.source();
    }
    text
}

fn clean(text: &str) {
    for canary in [CANARY, SECRET] {
        let line = text.lines().find(|line| line.contains(canary));
        assert_eq!(line, None);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_failure_tells_a_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let timeouts = Timeouts {
        read: Duration::from_millis(200),
        ..Timeouts::default()
    };
    let client = Client::builder()
        .timeouts(timeouts)
        .layer(TraceLayer)
        .build()
        .unwrap();
    let credential = Credential {
        appid: "wx1".into(),
        secret: AppSecret::new(SECRET),
    };
    let (_servers, hosts_of_secret) = hosts(SECRET).await;
    for hosts in hosts_of_secret {
        let client = client.at(hosts);
        for outcome in [
            client.token(&credential).await,
            client.stable_token(&credential, true).await,
        ] {
            clean(&shown(&outcome.unwrap_err()));
        }
    }
    let (_servers, hosts_of_token) = hosts(CANARY).await;
    let (data, token) = (data("{}"), token());
    for hosts in hosts_of_token {
        let client = client.at(hosts);
        let errors = [
            client
                .send_template(&token, &message(&data))
                .await
                .unwrap_err(),
            client
                .send_template_fresh(&token, &message(&data), &|| true)
                .await
                .unwrap_err(),
            client.templates(&token).await.unwrap_err(),
            client.user_info(&token, "o1").await.unwrap_err(),
            client
                .quota(&token, Endpoint::TemplateSend)
                .await
                .unwrap_err(),
        ];
        errors.iter().for_each(|error| clean(&shown(error)));
    }
    clean(&format!("{client:?} {credential:?} {token:?}"));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains(r#"wechat_call{endpoint="/cgi-bin/message/template/send""#));
    assert!(log.contains("status=200 errcode=40013"));
    assert!(log.contains("invalid [redacted]!"));
    clean(&log);
}

#[test]
fn secrets_show_nothing() {
    let secrets = CallbackSecrets {
        appid: "wx1".into(),
        tokens: vec![CallbackToken::new(CANARY)],
        keys: vec![
            "CANARYabcdefghijklmnopqrstuvwxyz0123456789A"
                .parse()
                .unwrap(),
        ],
    };
    let shown = format!("{secrets:#?}");
    clean(&shown);
    assert!(!shown.contains("CANARY"));
    let wrong = "CANARY"
        .parse::<hongyan_wechat::callback::envelope::EncodingAesKey>()
        .unwrap_err();
    assert!(!format!("{wrong} {wrong:?}").contains("CANARY"));
}

#[test]
fn tokens_are_told_apart_by_their_fingerprint() {
    let (one, other) = (AccessToken::new("74_one"), AccessToken::new("74_other"));
    assert_ne!(one, other);
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.fingerprint().len(), 8);
    assert_eq!(one, AccessToken::new("74_one"));
}
