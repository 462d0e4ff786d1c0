//! Each way a call can go wrong, and whether it left something in doubt.

use std::time::Duration;

use hongyan_wechat::AccessToken;
use hongyan_wechat::client::{Hosts, Timeouts};
use hongyan_wechat::error::{CallError, DoubtCause, NotSentCause};

use crate::server::{Act, Server, client, closed_port, data, json, message, token};

/// Long enough never to strike in a test that is not about it.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);
const PATIENT: Timeouts = Timeouts {
    connect: LONG,
    write: LONG,
    read: LONG,
    call: LONG,
};

async fn doubt(server: &Server, timeouts: Timeouts) -> DoubtCause {
    let client = client(timeouts).at(server.hosts());
    let pooled = client
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap_err();
    let fresh = client
        .send_template_fresh(&token(), &message(&data("{}")), &|| true)
        .await
        .unwrap_err();
    let (CallError::InDoubt(pooled), CallError::InDoubt(fresh)) = (pooled, fresh) else {
        panic!("not in doubt")
    };
    assert_eq!(pooled.cause, fresh.cause);
    pooled.cause
}

#[tokio::test]
async fn answers_that_are_not_wechats_leave_doubt() {
    let html = "<html><body>502</body></html>";
    let page = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{html}",
        html.len()
    );
    let cases = [
        (page, DoubtCause::NotJson),
        (json("[]"), DoubtCause::NotJson),
        (json("\"ok\""), DoubtCause::NotJson),
        (json(r#"[0,"ok"]"#), DoubtCause::NotJson),
        (json(r#"{"errcode":0,"errm"#), DoubtCause::NotJson),
        (json(r#"{"errcode":"zero"}"#), DoubtCause::NotJson),
        (json(""), DoubtCause::NotJson),
        (json("{}"), DoubtCause::Incomplete("errcode")),
        (
            json(r#"{"errcode":0,"msgid":1.5}"#),
            DoubtCause::Incomplete("msgid"),
        ),
        (
            json(&format!(
                r#"{{"errcode":0,"errmsg":"{}"}}"#,
                "x".repeat(64 * 1024)
            )),
            DoubtCause::TooLarge,
        ),
        (
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".into(),
            DoubtCause::Status(500),
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}".into(),
            DoubtCause::Status(502),
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
            DoubtCause::Status(404),
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".into(),
            DoubtCause::Status(302),
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".into(), DoubtCause::NotHttp),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"errcode\":0".into(),
            DoubtCause::Reset,
        ),
        ("HTTP/1.1 200 OK\r\nConte".into(), DoubtCause::Reset),
        (String::new(), DoubtCause::Reset),
    ];
    for (answer, cause) in cases {
        let server = Server::always(Act::raw(answer.clone())).await;
        assert_eq!(doubt(&server, PATIENT).await, cause, "{answer:.60}");
    }
}

#[tokio::test]
async fn a_list_may_be_longer_than_a_send() {
    let long = format!(
        r#"{{"template_list":[{{"template_id":"t1","content":"{}"}}]}}"#,
        "x".repeat(200 * 1024)
    );
    let server = Server::always(Act::answer(long)).await;
    assert_eq!(server.client().templates(&token()).await.unwrap().len(), 1);
    let server = Server::always(Act::answer(" ".repeat(1024 * 1024 + 1))).await;
    let error = server.client().templates(&token()).await.unwrap_err();
    let CallError::InDoubt(doubt) = error else {
        panic!("{error:?}")
    };
    assert_eq!(doubt.cause, DoubtCause::TooLarge);
}

#[tokio::test]
async fn silence_is_cut_off_by_the_read_timeout() {
    let server = Server::always(Act::Hang).await;
    assert_eq!(
        doubt(
            &server,
            Timeouts {
                read: SHORT,
                ..PATIENT
            }
        )
        .await,
        DoubtCause::Timeout
    );
}

#[tokio::test]
async fn silence_within_the_answer_is_too() {
    let server = Server::start(|_| {
        Act::Drip(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec(),
            Duration::ZERO,
        )
    })
    .await;
    assert_eq!(
        doubt(
            &server,
            Timeouts {
                read: SHORT,
                ..PATIENT
            }
        )
        .await,
        DoubtCause::Timeout
    );
}

#[tokio::test]
async fn a_slow_trickle_is_cut_off_by_the_whole_call() {
    let server = Server::start(|_| Act::Drip(json("{}").into_bytes(), SHORT / 4)).await;
    assert_eq!(
        doubt(
            &server,
            Timeouts {
                read: LONG,
                call: SHORT,
                ..PATIENT
            }
        )
        .await,
        DoubtCause::Timeout
    );
}

#[tokio::test]
async fn a_server_that_does_not_read_is_cut_off_by_the_write_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts = Hosts::new([format!("http://{}", listener.local_addr().unwrap())]).unwrap();
    let client = client(Timeouts {
        write: SHORT,
        ..PATIENT
    })
    .at(hosts);
    // More than the sockets' buffers hold.
    let data = data(&format!(
        r#"{{"a":{{"value":"{}"}}}}"#,
        "x".repeat(32 * 1024 * 1024)
    ));
    let error = client
        .send_template(&token(), &message(&data))
        .await
        .unwrap_err();
    let CallError::InDoubt(doubt) = error else {
        panic!("{error:?}")
    };
    assert_eq!(doubt.cause, DoubtCause::Timeout);
}

#[tokio::test]
async fn what_never_left_is_not_in_doubt() {
    let not_sent = async |timeouts: Timeouts, base: &str| {
        let client = client(timeouts).at(Hosts::new([base]).unwrap());
        let pooled = client
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap_err();
        let fresh = client
            .send_template_fresh(&token(), &message(&data("{}")), &|| panic!("asked"))
            .await;
        for error in [pooled, fresh.unwrap_err()] {
            let CallError::NotSent(error) = error else {
                panic!("{error:?}")
            };
            assert_eq!(error.cause, NotSentCause::Connect, "{base}");
            assert!(error.source.is_some());
        }
    };
    not_sent(PATIENT, &closed_port().await).await;
    not_sent(PATIENT, "http://name.invalid").await;
    // A server that speaks no TLS, and one that never answers its greeting.
    let plain = Server::always(Act::raw("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("https://{}", silent.local_addr().unwrap());
    not_sent(
        Timeouts {
            connect: SHORT,
            ..PATIENT
        },
        &silent,
    )
    .await;
    not_sent(
        Timeouts {
            connect: SHORT,
            ..PATIENT
        },
        &plain.base().replace("http", "https"),
    )
    .await;
}

/// A host that takes connections and never answers TLS, with a connect timeout longer than the whole call's.
#[tokio::test]
async fn a_call_cut_off_while_connecting_is_not_in_doubt() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hosts = Hosts::new([format!("https://{}", silent.local_addr().unwrap())]).unwrap();
    let client = client(Timeouts {
        call: SHORT,
        ..PATIENT
    })
    .at(hosts);
    let pooled = client
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap_err();
    let fresh = client
        .send_template_fresh(&token(), &message(&data("{}")), &|| panic!("asked"))
        .await
        .unwrap_err();
    for error in [pooled, fresh] {
        let CallError::NotSent(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!(error.cause, NotSentCause::Connect);
    }
}

/// The second call finds the first one's connection in the pool: it is written although nothing is dialled.
#[tokio::test]
async fn a_call_cut_off_on_a_pooled_connection_is_in_doubt() {
    let server = Server::start(|number| match number {
        0 => Act::answer(r#"{"errcode":0,"errmsg":"ok","msgid":1}"#),
        _ => Act::Hang,
    })
    .await;
    let client = client(Timeouts {
        call: SHORT * 5,
        ..PATIENT
    })
    .at(server.hosts());
    let (token, data) = (token(), data("{}"));
    client.send_template(&token, &message(&data)).await.unwrap();
    let error = client
        .send_template(&token, &message(&data))
        .await
        .unwrap_err();
    let CallError::InDoubt(doubt) = error else {
        panic!("{error:?}")
    };
    assert_eq!(doubt.cause, DoubtCause::Timeout);
    assert_eq!((server.requests().len(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_token_that_fits_no_url_is_not_sent() {
    let server = Server::always(Act::answer("{}")).await;
    let endless = AccessToken::new("x".repeat(70_000));
    let error = server
        .client()
        .send_template(&endless, &message(&data("{}")))
        .await
        .unwrap_err();
    let CallError::NotSent(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (error.cause, server.connections()),
        (NotSentCause::Request, 0)
    );
}
