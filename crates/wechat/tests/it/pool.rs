//! Connections that are kept: how long one may idle, and what a call finds when WeChat has closed it meanwhile.
//! And the bound on an answer's head, which the connection keeps.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hongyan_wechat::client::{Hosts, Timeouts};
use hongyan_wechat::error::{CallError, DoubtCause};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::server::{Act, Server, client, data, json, message, token};

const SENT: &str = r#"{"errcode":0,"errmsg":"ok","msgid":1}"#;
const HEAD_MAX: usize = 64 * 1024;

/// An answer whose head is about so long.
fn with_head_of(bytes: usize) -> String {
    let filler = format!("X-Filler: {}\r\n", "x".repeat(4000));
    let rest = json(SENT);
    let (status, rest) = rest.split_once("\r\n").unwrap();
    format!("{status}\r\n{}{rest}", filler.repeat(bytes / filler.len()))
}

/// The bound is looked at between reads, each of which may bring as much again.
#[tokio::test]
async fn the_head_of_an_answer_is_bounded() {
    for (length, good) in [(HEAD_MAX * 3 / 4, true), (HEAD_MAX * 5 / 2, false)] {
        let answer = with_head_of(length);
        let server = Server::always(Act::raw(answer)).await;
        let client = server.client();
        let pooled = client.send_template(&token(), &message(&data("{}"))).await;
        let fresh = client
            .send_template_fresh(&token(), &message(&data("{}")), &|| true)
            .await;
        for outcome in [pooled, fresh] {
            match outcome {
                Ok(_) => assert!(good, "a head of {length} bytes was read"),
                Err(CallError::InDoubt(doubt)) => {
                    assert!(!good, "a head of {length} bytes was not read");
                    assert_eq!(doubt.cause, DoubtCause::NotHttp);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

/// The read timeout runs while a connection idles. A call that comes late in it must have the whole of it again.
#[tokio::test]
async fn a_connection_that_has_idled_gives_a_call_the_whole_read_timeout() {
    let read = Duration::from_millis(1500);
    let server = Server::start(move |number| match number {
        0 => Act::answer(SENT),
        _ => Act::Late(SENT.to_owned(), read * 2 / 3),
    })
    .await;
    let client = client(Timeouts {
        read,
        ..Timeouts::default()
    })
    .at(server.hosts());
    let (token, data) = (token(), data("{}"));
    client.send_template(&token, &message(&data)).await.unwrap();
    sleep(read * 2 / 3).await;
    client.send_template(&token, &message(&data)).await.unwrap();
    assert_eq!((server.requests().len(), server.connections()), (2, 1));
}

/// WeChat closes a connection that idles, and this side takes it from the pool before it has heard of that. The call
/// goes out again by itself on another connection, since hyper hands back what it has not begun to write.
#[tokio::test]
async fn a_connection_closed_while_it_idled_is_no_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hosts = Hosts::new([format!("http://{}", listener.local_addr().unwrap())]).unwrap();
    let (close, asked) = mpsc::channel();
    let (tell, closed) = mpsc::channel();
    let server = thread::spawn(move || {
        let first = answer_one(&listener);
        asked.recv().unwrap();
        drop(first);
        tell.send(()).unwrap();
        answer_one(&listener);
    });
    let client = client(Timeouts::default()).at(hosts);
    let (token, data) = (token(), data("{}"));
    client.send_template(&token, &message(&data)).await.unwrap();
    // The connection's task puts it back into the pool.
    for _ in 0..10 {
        yield_now().await;
    }
    close.send(()).unwrap();
    // Blocks the only thread. Then one turn of the driver wakes the connection's task, yet this one is polled before it:
    // the call is handed to a connection that has ended and does not know it yet.
    closed.recv().unwrap();
    yield_now().await;
    client.send_template(&token, &message(&data)).await.unwrap();
    server.join().unwrap();
}

fn answer_one(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(br#""data":{}}"#) {
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "a connection without a call");
        seen.extend_from_slice(&buffer[..length]);
    }
    stream.write_all(json(SENT).as_bytes()).unwrap();
    stream
}
