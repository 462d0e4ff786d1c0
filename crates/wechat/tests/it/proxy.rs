//! A client with a proxy: every call goes through a tunnel that the proxy opens, and says nothing else to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hongyan_wechat::client::{Client, Hosts, Proxy};
use hongyan_wechat::error::{CallError, NotSentCause};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::server::{Act, Server, data, message, token};

const SENT: &str = r#"{"errcode":0,"errmsg":"ok","msgid":1}"#;

/// Opens tunnels for whoever brings this login, and notes what it was asked.
async fn proxy(login: &'static str, asked: Arc<Mutex<Vec<String>>>) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut tunnels = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            tunnels.spawn(async move { tunnel(stream, login, &asked).await.unwrap_or(()) });
        }
    });
    (address, tasks)
}

async fn tunnel(
    mut stream: TcpStream,
    login: &str,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::new(&mut stream);
    while reader.read_line(&mut head).await? > 2 {}
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let allowed = head.to_lowercase().contains(&login.to_lowercase());
    asked.lock().unwrap().push(head);
    if !allowed {
        let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
        return stream.write_all(refused).await;
    }
    let mut host = TcpStream::connect(target).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut host).await.map(drop)
}

fn through(address: SocketAddr, login: Option<&str>, server: &Server) -> Client {
    let login = login.map(SecretString::from);
    let proxy = Proxy::new(&format!("http://{address}"), login.as_ref()).unwrap();
    let hosts = Hosts::new([server.base()]).unwrap();
    let client = Client::builder().proxy(Some(proxy)).hosts(hosts);
    client.build().unwrap()
}

#[tokio::test]
async fn calls_and_repeats_go_through_the_tunnel() {
    let server = Server::always(Act::answer(SENT)).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (address, _tasks) = proxy("basic Z2F0ZXdheTpodW50ZXIy", asked.clone()).await;
    let client = through(address, Some("gateway:hunter2"), &server);
    let data = data("{}");
    client
        .send_template(&token(), &message(&data))
        .await
        .unwrap();
    client
        .send_template_fresh(&token(), &message(&data), &|| true)
        .await
        .unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!((asked.len(), server.requests().len()), (2, 2));
    for head in &*asked {
        let connect = format!("CONNECT {} HTTP/1.1", server.address);
        assert!(head.starts_with(&connect), "{head}");
        assert!(!head.contains("access_token"), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_means_that_nothing_was_sent() {
    let server = Server::always(Act::answer(SENT)).await;
    let (address, _tasks) = proxy("basic Z2F0ZXdheTpodW50ZXIy", Arc::default()).await;
    let client = through(address, None, &server);
    let sent = client
        .send_template(&token(), &message(&data("{}")))
        .await
        .unwrap_err();
    assert!(
        matches!(&sent, CallError::NotSent(error) if error.cause == NotSentCause::Connect),
        "{sent:?}"
    );
    assert!(server.requests().is_empty());
}
