//! Callers of the gateway: signed, patient, and repeating a call that got no answer under the same idempotency key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use hongyan_gateway::auth::canonical::{self, Canonical};
use hongyan_gateway::auth::signature::{BodyHash, SigningKey};

use crate::program::{CLIENT, CLIENT_SECRET};

pub(crate) const TEMPLATE: &str = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";

/// One connection to the gateway.
pub(crate) struct Caller {
    port: u16,
    key: SigningKey,
    connection: Option<(SendRequest<Full<Bytes>>, JoinSet<()>)>,
}

pub(crate) fn unix_seconds() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a caller has a clock of its own")]
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    now.as_secs()
}

impl Caller {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            key: SigningKey::new(&CLIENT_SECRET.to_owned().into()),
            connection: None,
        }
    }

    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        body: &str,
        idempotency: Option<&str>,
    ) -> Request<Full<Bytes>> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (timestamp, nonce) = (
            unix_seconds().to_string(),
            format!("{:032x}", rand::random::<u128>()),
        );
        let hash = BodyHash::of(body.as_bytes());
        let signature = self.key.sign(&Canonical {
            method,
            path,
            query: &canonical::query(query).unwrap(),
            timestamp: &timestamp,
            nonce: &nonce,
            body_sha256: hash.as_str(),
        });
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "gateway")
            .header("x-client-id", CLIENT)
            .header("x-timestamp", timestamp)
            .header("x-nonce", nonce)
            .header("x-signature", signature);
        if let Some(key) = idempotency {
            request = request.header("idempotency-key", key);
        }
        request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap()
    }

    /// One call; `Err` if there was no whole answer, and the connection is gone then.
    pub(crate) async fn call(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(u16, Value), String> {
        let answer = self.try_call(request).await;
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }

    async fn try_call(&mut self, request: Request<Full<Bytes>>) -> Result<(u16, Value), String> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port))
                .await
                .map_err(|e| e.to_string())?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream))
                .await
                .map_err(|e| e.to_string())?;
            let mut task = JoinSet::new();
            task.spawn(async move {
                let _ = connection.await;
            });
            self.connection = Some((sender, task));
        }
        let (sender, _) = self.connection.as_mut().unwrap();
        // The connection may still be busy with the end of the answer before.
        sender.ready().await.map_err(|e| e.to_string())?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|e| e.to_string())?
            .to_bytes();
        let read = serde_json::from_slice(&body);
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        Ok((status, read.unwrap_or_else(|_| text())))
    }

    pub(crate) async fn post(&mut self, target: &str, body: &str) -> Value {
        for _ in 0..200 {
            let request = self.request("POST", target, body, None);
            match self.call(request).await {
                Ok((200..=202, body)) => return body,
                Ok((503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok((status, body)) => panic!("POST {target}: {status} {body}"),
            }
        }
        panic!("POST {target}: the gateway does not answer")
    }

    pub(crate) async fn get(&mut self, target: &str) -> Value {
        for _ in 0..200 {
            let request = self.request("GET", target, "", None);
            match self.call(request).await {
                Ok((200, body)) => return body,
                Ok((503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Ok((status, body)) => panic!("GET {target}: {status} {body}"),
            }
        }
        panic!("GET {target}: the gateway does not answer")
    }
}

pub(crate) fn message(n: u64) -> String {
    message_for("main", n)
}

pub(crate) fn message_for(account: &str, n: u64) -> String {
    format!(
        r#"{{"account":"{account}","touser":"oSoak{n:023}","template_id":"{TEMPLATE}","data":{{"thing1":{{"value":"第 {n} 条"}}}}}}"#
    )
}

/// Hands over many messages at once. A batch that got no answer may be there, so it is not for tests that cut connections.
pub(crate) async fn hand_over_batch(caller: &mut Caller, messages: impl Iterator<Item = String>) {
    let messages: Vec<String> = messages.collect();
    let body = format!(r#"{{"messages":[{}]}}"#, messages.join(","));
    let answer = caller.post("/v1/messages/batch", &body).await;
    let results = answer["results"].as_array().unwrap();
    let taken = results.iter().filter(|result| result["id"].is_string());
    assert_eq!(taken.count(), messages.len(), "{answer}");
}

/// Messages being handed over while a test makes trouble.
pub(crate) struct Load {
    callers: JoinSet<Vec<String>>,
}

impl Load {
    /// Begins to hand `count` messages over, `callers` at a time. A call without an answer is made again under its key,
    /// until it is answered.
    pub(crate) fn begin(port: u16, count: u64, callers: u64) -> Self {
        let next = Arc::new(AtomicU64::new(0));
        let mut load = Self {
            callers: JoinSet::new(),
        };
        for _ in 0..callers {
            let next = Arc::clone(&next);
            load.callers.spawn(async move {
                let (mut caller, mut ids) = (Caller::new(port), Vec::new());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return ids;
                    }
                    ids.push(hand_over(&mut caller, n).await);
                }
            });
        }
        load
    }

    /// The ids of all messages that were answered with 202.
    pub(crate) async fn taken(mut self) -> Vec<String> {
        let mut taken = Vec::new();
        while let Some(ids) = self.callers.join_next().await {
            taken.extend(ids.unwrap());
        }
        taken
    }
}

async fn hand_over(caller: &mut Caller, n: u64) -> String {
    let key = format!("soak-{n}");
    for _ in 0..3_000 {
        let request = caller.request("POST", "/v1/messages", &message(n), Some(&key));
        match caller.call(request).await {
            Ok((202, body)) => return body["id"].as_str().unwrap().to_owned(),
            Ok((429 | 503, _)) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Ok((status, body)) => panic!("message {n}: {status} {body}"),
        }
    }
    panic!("message {n} was never taken")
}

/// How long each urgent message took to be with WeChat, in ascending order.
pub(crate) async fn remind(caller: &mut Caller, count: u64) -> Vec<Duration> {
    let mut took = Vec::new();
    for n in 0..count {
        let body = json!({"account": "main", "touser": format!("oUrge{n:023}"), "template_id": TEMPLATE,
            "data": {"thing1": {"value": "明天就诊"}}, "priority": "high"});
        let began = Instant::now();
        let sent = caller.post("/v1/messages?wait=30", &body.to_string()).await;
        assert_eq!(sent["status"], "sent", "{sent}");
        took.push(began.elapsed());
    }
    took.sort();
    took
}
