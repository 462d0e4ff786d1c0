//! From which address WeChat is called: an account with a proxy from the proxy's, every other from the gateway's own; and
//! what an operator reads where WeChat does not know the address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{APPID, Settings, TestGateway, message, openid};

/// The whole of this network is the machine itself.
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const OF_PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const SECOND: (&str, &str) = ("pharmacy", "wx00000000000000bb");
/// `gateway:hunter2`
const LOGIN: &str = "basic Z2F0ZXdheTpodW50ZXIy";

/// A proxy whose tunnels come out at an address of its own.
struct Proxy {
    address: SocketAddr,
    /// Its login is in a file here.
    folder: TempDir,
    heard: Arc<Mutex<Heard>>,
    _tasks: JoinSet<()>,
}

/// What a proxy is told, and what goes through it.
#[derive(Default)]
struct Heard {
    heads: Vec<String>,
    within: Vec<u8>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mut tasks = JoinSet::new();
        let noting = Arc::clone(&heard);
        tasks.spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let heard = Arc::clone(&noting);
                tunnels.spawn(async move { tunnel(stream, &heard).await.unwrap_or(()) });
            }
        });
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("login"), "gateway:hunter2\n").unwrap();
        Self {
            address,
            folder,
            heard,
            _tasks: tasks,
        }
    }

    /// An account's lines that have it go this way.
    fn lines(&self) -> String {
        let (address, folder) = (self.address, self.folder.path().display());
        format!("proxy = \"http://{address}\"\nproxy_login = \"file:{folder}/login\"\n")
    }
}

async fn tunnel(stream: TcpStream, heard: &Mutex<Heard>) -> std::io::Result<()> {
    let mut near = BufReader::new(stream);
    let mut head = String::new();
    while near.read_line(&mut head).await? > 2 {}
    let target: SocketAddr = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(
        head.to_lowercase().contains(&LOGIN.to_lowercase()),
        "{head}"
    );
    heard.lock().unwrap().heads.push(head);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(OF_PROXY, 0))?;
    let (mut from_host, mut to_host) = socket.connect(target).await?.into_split();
    let (mut from_near, mut to_near) = near.into_inner().into_split();
    to_near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let asking = async {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let length = from_near.read(&mut piece).await?;
            heard.lock().unwrap().within.extend(&piece[..length]);
            match length {
                0 => return to_host.shutdown().await,
                _ => to_host.write_all(&piece[..length]).await?,
            }
        }
    };
    let answering = tokio::io::copy(&mut from_host, &mut to_near);
    tokio::try_join!(asking, answering).map(drop)
}

fn to(account: &str, number: usize) -> Value {
    let mut message = message(&openid(number));
    message["account"] = account.into();
    message
}

fn first(list: &Value) -> &Value {
    let accounts = list["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|one| one["appid"] == APPID);
    found.unwrap()
}

async fn until_state(gateway: &TestGateway, wanted: &str) -> String {
    let is_so = |list: &Value| first(list)["state"] == wanted;
    let list = gateway.until_reply("/v1/accounts", wanted, is_so).await;
    first(&list)["detail"].to_string()
}

#[tokio::test]
async fn an_account_with_a_proxy_calls_from_its_address_and_no_other_account_does() {
    let proxy = Proxy::start().await;
    let gateway = TestGateway::with(Settings {
        account: proxy.lines(),
        others: vec![SECOND],
        ..Settings::default()
    })
    .await;
    // Each is known from one address, and has to fetch its token anew.
    for (appid, address) in [(APPID, OF_PROXY), (SECOND.1, OWN)] {
        gateway.sim.set_whitelist(appid, Some(vec![address]));
        gateway.sim.revoke_tokens(appid);
    }
    for (number, account) in [(1, "clinic"), (2, SECOND.0)] {
        let id = gateway.send(&to(account, number)).await;
        gateway.until(&id, "sent").await;
    }
    {
        let heard = proxy.heard.lock().unwrap();
        let within = String::from_utf8_lossy(&heard.within);
        assert!(within.contains("POST /cgi-bin/stable_token"));
        assert!(within.contains("POST /cgi-bin/message/template/send"));
        assert!(within.contains(&openid(1)) && !within.contains(&openid(2)));
        let connect = format!("CONNECT {} HTTP/1.1", gateway.sim.addr());
        for head in &heard.heads {
            assert!(head.starts_with(&connect), "{head}");
        }
    }
    gateway.finish().await;
}

#[tokio::test]
async fn an_address_that_wechat_does_not_know_is_named_with_where_to_add_it() {
    let mut gateway = TestGateway::start().await;
    until_state(&gateway, "ok").await;
    gateway.sim.set_whitelist(APPID, Some(vec![OF_PROXY]));
    gateway.sim.revoke_tokens(APPID);
    let waiting = gateway.send(&message(&openid(1))).await;
    let advice = |ip: &str| {
        format!(
            "add {ip} to the account's IP whitelist, on WeChat's platform under basic configuration"
        )
    };
    let detail = until_state(&gateway, "stopped").await;
    assert!(detail.contains(&advice("127.0.0.1")), "{detail}");

    // A proxy whose address WeChat knows, put in while it runs: the message goes out.
    let proxy = Proxy::start().await;
    gateway.settings.account = proxy.lines();
    gateway.reload().await.unwrap();
    gateway.until(&waiting, "sent").await;
    until_state(&gateway, "ok").await;

    // It is the address that WeChat sees which is named: the proxy's.
    let elsewhere = "192.0.2.1".parse().unwrap();
    gateway.sim.set_whitelist(APPID, Some(vec![elsewhere]));
    gateway.sim.revoke_tokens(APPID);
    let waiting = gateway.send(&message(&openid(2))).await;
    let detail = until_state(&gateway, "stopped").await;
    assert!(detail.contains(&advice("127.0.0.2")), "{detail}");
    let attention = gateway.get("/v1/attention").await.json().to_string();
    assert!(attention.contains(&advice("127.0.0.2")), "{attention}");
    gateway.sim.set_whitelist(APPID, Some(vec![OF_PROXY]));
    gateway.until(&waiting, "sent").await;
    gateway.finish().await;
}
