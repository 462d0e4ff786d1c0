//! The workers that post receipts: one keep-alive connection each, five seconds for an answer, then another attempt.
//! They know HTTP and nothing of what a receipt says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::event;
use super::queue::Pending;
use crate::http::Shared;
use hongyan_wechat::callback::Format;

/// `success` is seven bytes; nobody needs more than this to say it.
const ANSWER_MAX: usize = 4 << 10;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Delivers until `stop`; what is under way then goes back into the queue.
pub(super) async fn work(shared: Arc<Shared>, tasks: TaskTracker, stop: CancellationToken) {
    let mut line = Line {
        tasks,
        stop: stop.clone(),
        open: None,
    };
    let receipts = &shared.receipts;
    loop {
        let mut pending = tokio::select! {
            () = stop.cancelled() => return,
            pending = receipts.next(&shared.clock) => pending,
        };
        let began = Instant::now();
        let delivered = tokio::select! {
            () = stop.cancelled() => {
                pending.release();
                receipts.put_back(pending);
                return;
            }
            delivered = deliver(&shared, &mut line, &pending) => delivered,
        };
        pending.release();
        match delivered {
            Ok(()) => {
                receipts.answered.fetch_add(1, Ordering::Relaxed);
                receipts.took(began.elapsed());
            }
            Err(error) => {
                line.open = None;
                tracing::debug!(%error, "a receipt was not taken");
                match pending.again(shared.clock.now_ms()) {
                    Some(pending) => receipts.put_back(pending),
                    None => {
                        receipts.given_up.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

async fn deliver(shared: &Shared, line: &mut Line, pending: &Pending) -> Result<(), BoxError> {
    let address = shared
        .world()
        .callback(pending.account)
        .ok_or("the account has no callback")?;
    let now_s = shared.clock.now_ms().div_euclid(1000);
    let nth = shared.receipts.posted.fetch_add(1, Ordering::Relaxed);
    let (query, body) = event::push(&address, pending, now_s, nth % 2 == 1)?;
    let target = &address.target;
    let joint = if target.url.contains('?') { '&' } else { '?' };
    let uri: Uri = format!("{}{joint}{query}", target.url).parse()?;
    let kind = match target.format {
        Format::Xml => HeaderValue::from_static("text/xml"),
        Format::Json => HeaderValue::from_static("application/json"),
    };
    let timeout = Duration::from_millis(shared.receipts.queue().policy.timeout_ms);
    tokio::time::timeout(timeout, line.post(&uri, kind, body.into())).await?
}

/// A worker's connection, opened when needed.
struct Line {
    tasks: TaskTracker,
    stop: CancellationToken,
    open: Option<(String, SendRequest<Full<Bytes>>)>,
}

impl Line {
    /// Posts and judges the answer: 200 with `success` or nothing.
    async fn post(&mut self, uri: &Uri, kind: HeaderValue, body: Bytes) -> Result<(), BoxError> {
        if uri.scheme_str() != Some("http") {
            return Err("a callback must be an http:// address".into());
        }
        let host = uri.host().ok_or("the callback address has no host")?;
        let host = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse()?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&host)?);
        headers.insert(CONTENT_TYPE, kind);
        let mut sender = self.sender(&host).await?;
        let response = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                // The kept connection was closed before anything went out.
                Some(request) => {
                    sender = self.connect(&host).await?;
                    sender.send_request(request).await?
                }
                None => return Err(error.into_error().into()),
            },
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX);
        let body = body.collect().await?.to_bytes();
        self.open = Some((host, sender));
        if status == StatusCode::OK && matches!(body.trim_ascii(), b"" | b"success") {
            return Ok(());
        }
        Err(format!("answered with status {status} and {} bytes", body.len()).into())
    }

    async fn sender(&mut self, host: &str) -> Result<SendRequest<Full<Bytes>>, BoxError> {
        match self.open.take() {
            Some((open_to, mut sender)) if open_to == host => match sender.ready().await {
                Ok(()) => Ok(sender),
                Err(_) => self.connect(host).await,
            },
            _ => self.connect(host).await,
        }
    }

    async fn connect(&self, host: &str) -> Result<SendRequest<Full<Bytes>>, BoxError> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // Its end, good or bad, shows at the sender.
                _ = connection => {}
            }
        });
        Ok(sender)
    }
}
