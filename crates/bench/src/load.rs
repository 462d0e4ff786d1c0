//! The load: so many callers, each on its own connection, one request after another, every message to another openid.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Result;
use crate::sign::Credential;

pub(crate) const TEMPLATE: &str = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY";
/// A usual message: four fields, some of them Chinese.
pub(crate) const DATA: &str = r#"{"thing1":{"value":"您的订单已发货，请注意查收"},"character_string2":{"value":"SF1234567890123"},"time3":{"value":"2026-11-23 09:30:00"},"phrase4":{"value":"运输中"}}"#;

/// The openid of message `n`: 28 characters, as WeChat's are.
pub(crate) fn openid(n: u64) -> String {
    format!("oBench{n:022}")
}

pub(crate) fn unix_ms() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the bench compares moments of two programs"
    )]
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Whom the load goes to, and in what shape.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: String,
    pub(crate) path: String,
    pub(crate) credential: Option<Credential>,
    pub(crate) headers: Vec<(String, String)>,
    /// A body with `{openid}` and `{number}` in it; none for Hongyan's own.
    pub(crate) template: Option<String>,
    /// Messages in a call.
    pub(crate) batch: u64,
}

impl Target {
    fn body(&self, n: u64) -> String {
        let one = |n: u64| match &self.template {
            Some(template) => template
                .replace("{openid}", &openid(n))
                .replace("{number}", &n.to_string()),
            None => format!(
                r#"{{"touser":"{}","template_id":"{TEMPLATE}","data":{DATA}}}"#,
                openid(n)
            ),
        };
        if self.batch == 1 {
            return one(n);
        }
        let messages: Vec<String> = (n..n + self.batch).map(one).collect();
        format!(r#"{{"messages":[{}]}}"#, messages.join(","))
    }

    fn request(&self, n: u64) -> Result<hyper::Request<Full<Bytes>>> {
        let body = self.body(n);
        let mut request = hyper::Request::post(&self.path)
            .header("host", &self.address)
            .header("content-type", "application/json");
        if let Some(credential) = &self.credential {
            let nonce = format!("bench-{n:020}");
            for (name, value) in
                credential.headers(&self.path, body.as_bytes(), &nonce, unix_ms() / 1000)
            {
                request = request.header(name, value);
            }
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        Ok(request.body(Full::new(Bytes::from(body)))?)
    }
}

/// What a load saw.
pub(crate) struct Seen {
    pub(crate) began_ms: u64,
    pub(crate) took: Duration,
    /// Of every call, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Seen {
    pub(crate) fn quantile_ms(&self, q: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let at = ((self.latencies.len() as f64 * q) as usize)
            .min(self.latencies.len().saturating_sub(1));
        self.latencies
            .get(at)
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Hands messages `from..to` over, `callers` at a time.
pub(crate) async fn submit(target: &Target, from: u64, to: u64, callers: u64) -> Result<Seen> {
    let next = Arc::new(AtomicU64::new(from));
    let mut running = JoinSet::new();
    let (began_ms, began) = (unix_ms(), Instant::now());
    for _ in 0..callers {
        let (target, next) = (target.clone(), Arc::clone(&next));
        running.spawn(async move { caller(&target, &next, to).await });
    }
    let mut latencies = Vec::new();
    while let Some(done) = running.join_next().await {
        latencies.extend(done??);
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Ok(Seen {
        began_ms,
        took,
        latencies,
    })
}

async fn caller(target: &Target, next: &AtomicU64, to: u64) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(&target.address)
        .await
        .context("cannot connect to the gateway")?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let mut latencies = Vec::new();
    loop {
        let n = next.fetch_add(target.batch, Ordering::Relaxed);
        if n >= to {
            return Ok(latencies);
        }
        let request = target.request(n)?;
        let began = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        latencies.push(began.elapsed());
        if !status.is_success() {
            bail!(
                "the gateway answered {status}: {}",
                String::from_utf8_lossy(&body)
            );
        }
    }
}
