//! A repeat in doubt: its own connection, and a last question that nothing can come after but the write.

use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use hongyan_wechat::client::{Hosts, Timeouts, TraceLayer};
use hongyan_wechat::error::{CallError, NotSentCause};

use crate::server::{Act, Server, client, closed_port, data, message, token};

const SENT: &str = r#"{"errcode":0,"errmsg":"ok","msgid":1}"#;

#[tokio::test]
async fn every_repeat_dials_anew_and_asks_once() {
    let server = Server::always(Act::answer(SENT)).await;
    let asked = AtomicUsize::new(0);
    let allow = || asked.fetch_add(1, Ordering::Relaxed) < 10;
    let client = server.client();
    client
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap();
    for _ in 0..2 {
        let accepted = client
            .send_template_fresh(&token(), &message(&data("{}")), &allow)
            .await
            .unwrap();
        assert_eq!(accepted.msgid, Some(1));
    }
    assert_eq!(
        (asked.load(Ordering::Relaxed), server.connections()),
        (2, 3)
    );
    let seen = server.requests();
    assert_eq!(
        (&seen[0].line, &seen[0].head),
        (&seen[1].line, &seen[1].head)
    );
}

#[tokio::test]
async fn a_no_sends_nothing() {
    let server = Server::always(Act::answer(SENT)).await;
    let refused = server
        .client()
        .send_template_fresh(&token(), &message(&data("{}")), &|| false)
        .await;
    let Err(CallError::NotSent(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(error.cause, NotSentCause::NotAllowed);
    // A later call's arrival shows that the first one's would have been seen.
    server
        .client()
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_repeat_fails_over_while_dialling() {
    let server = Server::always(Act::answer(SENT)).await;
    let hosts = Hosts::new([closed_port().await, server.base()]).unwrap();
    let client = client(Timeouts::default()).at(hosts);
    client
        .send_template_fresh(&token(), &message(&data("{}")), &|| true)
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 1);
}

/// Between the yes and the first byte the runtime gets no turn: in the very poll that asks, the bytes are on the socket.
#[tokio::test]
async fn the_answer_and_the_write_are_one_step() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = Hosts::new([format!("http://{}", listener.local_addr().unwrap())]).unwrap();
    let client = hongyan_wechat::client::Client::builder()
        .hosts(hosts)
        .layer(TraceLayer)
        .build()
        .unwrap();
    let asked = AtomicUsize::new(0);
    let allow = || {
        asked.fetch_add(1, Ordering::Relaxed);
        true
    };
    let (token, data) = (token(), data("{}"));
    let message = message(&data);
    let mut call = pin!(client.send_template_fresh(&token, &message, &allow));
    let received = poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending());
        if asked.load(Ordering::Relaxed) == 0 {
            return Poll::Pending;
        }
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::WouldBlock);
        Poll::Ready(String::from_utf8(bytes).unwrap())
    })
    .await;
    assert!(received.starts_with("POST /cgi-bin/message/template/send?"));
    assert!(received.ends_with(r#""data":{}}"#), "{received}");
}
