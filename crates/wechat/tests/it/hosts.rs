//! Which host a call goes to, and which addresses are taken.

use hongyan_wechat::client::{Hosts, Timeouts};
use hongyan_wechat::error::CallError;

use crate::server::{Act, Server, client, closed_port, data, message, token};

const SENT: &str = r#"{"errcode":0,"errmsg":"ok","msgid":1}"#;

#[tokio::test]
async fn the_next_host_is_tried_when_one_cannot_be_reached() {
    let server = Server::always(Act::answer(SENT)).await;
    let spare = Server::always(Act::answer(SENT)).await;
    let hosts = Hosts::new([closed_port().await, server.base(), spare.base()]).unwrap();
    let client = client(Timeouts::default()).at(hosts);
    for _ in 0..3 {
        client
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap();
    }
    assert_eq!((server.requests().len(), spare.connections()), (3, 0));
    assert!(
        server.requests()[0]
            .head
            .contains(&format!("host: {}", server.address))
    );
}

#[tokio::test]
async fn a_host_that_is_away_is_left_alone_for_a_while() {
    // Takes connections and speaks no TLS: cannot be connected to, and counts who tried.
    let away = Server::always(Act::raw("")).await;
    let server = Server::always(Act::answer(SENT)).await;
    let base = away.base().replace("http", "https");
    let client = client(Timeouts::default()).at(Hosts::new([base, server.base()]).unwrap());
    for _ in 0..3 {
        client
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap();
        client
            .send_template_fresh(&token(), &message(&data("{}")), &|| true)
            .await
            .unwrap();
    }
    assert_eq!((away.connections(), server.requests().len()), (1, 6));
}

#[tokio::test]
async fn nothing_is_tried_elsewhere_once_a_byte_may_have_left() {
    let spare = Server::always(Act::answer(SENT)).await;
    for act in [
        Act::raw(""),
        Act::raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        Act::answer(r#"{"errcode":-1,"errmsg":"system error"}"#),
    ] {
        let broken = Server::always(act).await;
        let client =
            client(Timeouts::default()).at(Hosts::new([broken.base(), spare.base()]).unwrap());
        let error = client
            .send_template(&token(), &message(&data("{}")))
            .await
            .unwrap_err();
        assert!(!matches!(error, CallError::NotSent(_)), "{error:?}");
    }
    assert_eq!(spare.connections(), 0);
}

#[test]
fn bases_are_checked() {
    let taken = [
        ("https://api.weixin.qq.com", "https://api.weixin.qq.com"),
        (" http://127.0.0.1:8080/ ", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]:80"),
        (
            "https://api.weixin.qq.com, https://api2.weixin.qq.com",
            "https://api.weixin.qq.com,https://api2.weixin.qq.com",
        ),
    ];
    for (given, shown) in taken {
        assert_eq!(given.parse::<Hosts>().unwrap().to_string(), shown);
    }
    let refused = [
        ("", "it must begin with https:// or http://"),
        (
            "api.weixin.qq.com",
            "it must begin with https:// or http://",
        ),
        (
            "ftp://api.weixin.qq.com",
            "it must begin with https:// or http://",
        ),
        ("https://", "it is not a URL"),
        ("https://a b", "it is not a URL"),
        (
            "https://api.weixin.qq.com/cgi-bin",
            "it must not have a path or a query",
        ),
        (
            "https://api.weixin.qq.com?x=1",
            "it must not have a path or a query",
        ),
        (
            "https://user:hunter2@api.weixin.qq.com",
            "it must not name a user",
        ),
    ];
    for (given, reason) in refused {
        let error = given.parse::<Hosts>().unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
        assert!(!error.contains("hunter2"));
    }
    assert!(Hosts::new(Vec::<String>::new()).is_err());
    assert_eq!(
        Hosts::default().to_string(),
        "https://api.weixin.qq.com,https://api2.weixin.qq.com"
    );
}
