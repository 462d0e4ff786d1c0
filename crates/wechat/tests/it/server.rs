//! A server of one test: a socket on port 0 that reads requests and does what the test scripts for each.
//! Speaks just enough HTTP to say wrong things too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hongyan_wechat::AccessToken;
use hongyan_wechat::client::{Client, Hosts, Timeouts};
use hongyan_wechat::template::TemplateMessage;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// 200 with this body, and the connection stays.
    Answer(String),
    /// The same after a while.
    Late(String, Duration),
    /// These bytes, and the connection closes.
    Raw(Vec<u8>),
    /// These bytes one by one, so often, and the connection stays.
    Drip(Vec<u8>, Duration),
    /// Nothing, and the connection stays.
    Hang,
}

impl Act {
    pub(crate) fn answer(body: impl Into<String>) -> Self {
        Self::Answer(body.into())
    }

    pub(crate) fn raw(text: impl Into<Vec<u8>>) -> Self {
        Self::Raw(text.into())
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

#[derive(Default)]
struct Record {
    connections: usize,
    requests: Vec<Seen>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    record: Arc<Mutex<Record>>,
    /// Dropping it stops the server.
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts one that does `act(n)` with the n-th request, counted from 0.
    pub(crate) async fn start(act: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let record = Arc::new(Mutex::new(Record::default()));
        let mut tasks = JoinSet::new();
        let (act, kept) = (Arc::new(act), Arc::clone(&record));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().unwrap().connections += 1;
                let (act, record) = (Arc::clone(&act), Arc::clone(&kept));
                connections.spawn(async move { serve(stream, &*act, &record).await.unwrap_or(()) });
            }
        });
        Self {
            address,
            record,
            _tasks: tasks,
        }
    }

    /// One that gives everyone this answer.
    pub(crate) async fn always(act: Act) -> Self {
        Self::start(move |_| act.clone()).await
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn hosts(&self) -> Hosts {
        Hosts::new([self.base()]).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        client(Timeouts::default()).at(self.hosts())
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.record.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.record.lock().unwrap().connections
    }
}

async fn serve(
    mut stream: TcpStream,
    act: &(dyn Fn(usize) -> Act + Send + Sync),
    record: &Mutex<Record>,
) -> std::io::Result<()> {
    while let Some(request) = read(&mut stream).await? {
        let number = {
            let mut record = record.lock().unwrap();
            record.requests.push(request);
            record.requests.len() - 1
        };
        match act(number) {
            Act::Answer(body) => stream.write_all(json(&body).as_bytes()).await?,
            Act::Late(body, after) => {
                tokio::time::sleep(after).await;
                stream.write_all(json(&body).as_bytes()).await?;
            }
            Act::Raw(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Act::Drip(bytes, every) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(every).await;
                }
            }
            Act::Hang => std::future::pending().await,
        }
    }
    Ok(())
}

/// An answer as WeChat's servers write it.
pub(crate) fn json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Seen>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                let line = String::from_utf8_lossy(&bytes[..end])
                    .lines()
                    .next()
                    .unwrap_or("")
                    .to_owned();
                let body = String::from_utf8_lossy(&bytes[end + 4..whole]).into_owned();
                return Ok(Some(Seen { line, head, body }));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

pub(crate) fn client(timeouts: Timeouts) -> Client {
    Client::builder().timeouts(timeouts).build().unwrap()
}

/// A port that nothing listens on.
pub(crate) async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) const CANARY: &str = "74_canary-ACCESS-token";

pub(crate) fn token() -> AccessToken {
    AccessToken::new(CANARY)
}

pub(crate) fn data(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub(crate) fn message(data: &RawValue) -> TemplateMessage<'_> {
    TemplateMessage {
        touser: "oia2TjuEGTNoeX76QEjQNrcURxG8",
        template_id: "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
        url: None,
        miniprogram: None,
        data,
        client_msg_id: None,
    }
}
