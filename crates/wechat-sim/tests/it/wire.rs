//! A bare HTTP client, so that tests see what really came over the socket, and a simulator to talk to.
//! It knows nothing of WeChat but the paths in its shorthands.

use std::net::SocketAddr;

use hongyan_wechat_sim::{Sim, SimConfig, SimHandle};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const APPID: &str = "wx5eed0000c0ffee01";
pub(crate) const SECRET: &str = "5eed5eed5eed5eed5eed5eed5eed5eed";
pub(crate) const OPENID: &str = "oAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const TEMPLATE: &str = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";
pub(crate) const DATA: &str = r#"{"thing1":{"value":"A parcel"}}"#;

/// An answer as it came; empty when the connection was closed without one.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn errcode(&self) -> i64 {
        self.json()["errcode"].as_i64().unwrap_or(0)
    }
}

/// One call on a connection of its own, read until the other side closes it.
pub(crate) async fn call(addr: SocketAddr, method: &str, target: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A cut may show as a reset; what came before it is kept.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Reply {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) async fn demo() -> SimHandle {
    Sim::start(SimConfig::demo()).await.unwrap()
}

pub(crate) async fn stable_token(sim: &SimHandle, force: bool) -> Value {
    let body = json!({"grant_type": "client_credential", "appid": APPID, "secret": SECRET,
        "force_refresh": force});
    let body = body.to_string();
    let reply = call(sim.addr(), "POST", "/cgi-bin/stable_token", &body);
    reply.await.json()
}

pub(crate) async fn token(sim: &SimHandle) -> String {
    let granted = stable_token(sim, false).await;
    granted["access_token"].as_str().unwrap().to_owned()
}

pub(crate) async fn send(sim: &SimHandle, token: &str, client_msg_id: &str) -> Reply {
    let target = format!("/cgi-bin/message/template/send?access_token={token}");
    let body = format!(
        r#"{{"touser":"{OPENID}","template_id":"{TEMPLATE}","data":{DATA},"client_msg_id":"{client_msg_id}"}}"#
    );
    call(sim.addr(), "POST", &target, &body).await
}
