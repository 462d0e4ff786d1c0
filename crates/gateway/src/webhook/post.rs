//! Posts an event: signed, over a connection to an address that was judged, with no redirect followed.
//! It must not decide what becomes of the event, and says nothing of a webhook's answer but its status.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hongyan_courier::message::Message;
use hongyan_courier::webhook::{Event, Post, Posted};
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

use crate::api::messages::show::MessageView;
use crate::api::moments::Moment;
use crate::clock::SystemClock;
use crate::network::Network;
use crate::webhook::guard::may_reach;
use crate::webhook::sign::{self, WebhookKey};

/// How long a post may take in all.
const POST_TIMEOUT: Duration = Duration::from_secs(15);
/// An answer longer than this is not read to its end, and its connection not used again.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// How long an idle connection is kept, and how long a connection in all, so that a change of the name is followed.
const IDLE_MAX: Duration = Duration::from_secs(10);
const LIFE_MAX: Duration = Duration::from_secs(120);

/// A webhook as it is posted to. It cannot be printed: its URL may hold a secret.
pub struct Hook {
    pub name: String,
    pub url: Uri,
    /// Newest first, at least one.
    pub keys: Vec<WebhookKey>,
    /// Networks that may be reached although they are not public.
    pub allowed: Vec<Network>,
    /// Whose certificates are believed; the public authorities' if there are none here.
    pub authorities: Option<RootCertStore>,
}

/// What an event looks like.
#[derive(Serialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Moment,
    data: MessageView,
}

/// The way to all webhooks.
pub struct Poster {
    doors: HashMap<String, Door>,
    clock: Arc<SystemClock>,
    /// Connections run here; each ends when nobody can ask it any more.
    connections: TaskTracker,
}

struct Door {
    hook: Hook,
    connector: HttpsConnector<HttpConnector<Judged>>,
    idle: Mutex<Vec<Link>>,
}

/// A connection that may be used again.
struct Link {
    sender: SendRequest<Full<Bytes>>,
    opened: Instant,
    used: Instant,
}

impl Poster {
    /// Nothing is connected yet.
    pub fn new(hooks: Vec<Hook>, clock: Arc<SystemClock>) -> anyhow::Result<Self> {
        let doors = hooks.into_iter().map(|hook| {
            let mut http = HttpConnector::new_with_resolver(Judged(hook.allowed.clone().into()));
            http.enforce_http(false);
            http.set_nodelay(true);
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let connector = HttpsConnectorBuilder::new();
            let connector = match &hook.authorities {
                None => connector.with_provider_and_webpki_roots(provider)?,
                Some(authorities) => connector.with_tls_config(
                    ClientConfig::builder_with_provider(provider.into())
                        .with_safe_default_protocol_versions()?
                        .with_root_certificates(authorities.clone())
                        .with_no_client_auth(),
                ),
            };
            let connector = connector
                .https_or_http()
                .enable_http1()
                .wrap_connector(http);
            let name = hook.name.clone();
            let idle = Mutex::default();
            let door = Door {
                hook,
                connector,
                idle,
            };
            anyhow::Ok((name, door))
        });
        Ok(Self {
            doors: doors.collect::<anyhow::Result<_>>()?,
            clock,
            connections: TaskTracker::new(),
        })
    }

    async fn exchange(&self, door: &Door, headers: HeaderMap, body: Bytes) -> Posted {
        // An idle connection may be closed by the other side just as it is used; the event's id makes a repeat harmless.
        if let Some(link) = door.take_idle()
            && let Ok(posted) = door.ask(link, &headers, &body).await
        {
            return posted;
        }
        let link = match self.connect(door).await {
            Ok(link) => link,
            Err(error) => return Posted::Unreached(told(&*error)),
        };
        match door.ask(link, &headers, &body).await {
            Ok(posted) => posted,
            Err(error) => Posted::Unreached(told(&error)),
        }
    }

    async fn connect(&self, door: &Door) -> Result<Link, Box<dyn std::error::Error + Send + Sync>> {
        let hook = &door.hook;
        // A name goes through the resolver; an address would pass it by.
        if let Some(address) = literal(&hook.url)
            && !may_reach(address, &hook.allowed)
        {
            return Err(Box::new(out_of_reach()));
        }
        let stream = door.connector.clone().oneshot(hook.url.clone()).await?;
        let (sender, connection) = handshake(stream).await?;
        self.connections.spawn(async move {
            // Its end is seen by whoever asks it.
            let _ = connection.await;
        });
        let opened = Instant::now();
        Ok(Link {
            sender,
            opened,
            used: opened,
        })
    }
}

#[async_trait]
impl Post for Poster {
    async fn post(&self, event: &Event, message: &Message) -> Posted {
        let Some(door) = self.doors.get(&event.webhook) else {
            return Posted::Unpostable("its webhook is not configured".to_owned());
        };
        let payload = Payload {
            kind: format!("message.{}", event.status),
            timestamp: Moment(event.at),
            data: MessageView::from(message),
        };
        let Ok(body) = serde_json::to_vec(&payload) else {
            return Posted::Unpostable("it cannot be written as JSON".to_owned());
        };
        let seconds = self.clock.wall().0.div_euclid(1_000);
        let Some(headers) = door.hook.headers(&event.id.to_string(), seconds, &body) else {
            return Posted::Unpostable("its webhook's url has no host".to_owned());
        };
        let exchange = self.exchange(door, headers, body.into());
        match timeout(POST_TIMEOUT, exchange).await {
            Ok(posted) => posted,
            Err(_) => Posted::Unreached(format!("no answer within {} s", POST_TIMEOUT.as_secs())),
        }
    }
}

impl Hook {
    fn headers(&self, id: &str, seconds: i64, body: &[u8]) -> Option<HeaderMap> {
        let signature = sign::signature(&self.keys, id, seconds, body);
        let agent = concat!("hongyan/", env!("CARGO_PKG_VERSION"));
        let mut headers = HeaderMap::new();
        headers.insert(HOST, self.url.authority()?.as_str().parse().ok()?);
        headers.insert(USER_AGENT, agent.parse().ok()?);
        headers.insert(CONTENT_TYPE, "application/json".parse().ok()?);
        headers.insert("webhook-id", id.parse().ok()?);
        headers.insert("webhook-timestamp", seconds.into());
        headers.insert("webhook-signature", signature.parse().ok()?);
        Some(headers)
    }
}

impl Door {
    fn take_idle(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|link| {
            link.used.elapsed() < IDLE_MAX
                && link.opened.elapsed() < LIFE_MAX
                && !link.sender.is_closed()
        });
        idle.pop()
    }

    async fn ask(
        &self,
        mut link: Link,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Posted, hyper::Error> {
        let target = self.hook.url.path_and_query();
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.map_or_else(Uri::default, |target| target.clone().into());
        *request.headers_mut() = headers.clone();
        link.sender.ready().await?;
        let response = link.sender.send_request(request).await?;
        let posted = posted(&response);
        if drained(response).await {
            link.used = Instant::now();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(link);
        }
        Ok(posted)
    }
}

fn posted<B>(response: &Response<B>) -> Posted {
    let status = response.status();
    if status.is_success() {
        return Posted::Taken;
    }
    let seconds = response.headers().get(RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let asks = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    Posted::Refused {
        status: status.as_u16(),
        retry_after: seconds.filter(|_| asks).map(Duration::from_secs),
    }
}

/// Reads an answer's body to its end and forgets it. Without that its connection cannot be used again.
async fn drained(response: Response<Incoming>) -> bool {
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    body.collect().await.is_ok()
}

/// An error with what led to it, on one line. None of them holds the URL or a header.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// The address that stands in a URL in place of a name.
pub fn literal(url: &Uri) -> Option<IpAddr> {
    let host = url.host()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn out_of_reach() -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        "the webhook leads to an address that is not public; list it in allow if that is meant",
    )
}

/// Resolves a name to those of its addresses that may be reached. What is connected to is what was judged.
#[derive(Clone)]
struct Judged(Arc<[Network]>);

impl Service<Name> for Judged {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let reachable: Vec<SocketAddr> = found
                .filter(|found| may_reach(found.ip(), &allowed))
                .collect();
            if reachable.is_empty() {
                return Err(out_of_reach());
            }
            Ok(reachable.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration refuses it, and so does whoever connects.
    #[tokio::test]
    async fn an_address_that_is_not_public_is_not_connected_to() {
        for url in ["http://127.0.0.1:1/", "http://[::ffff:10.0.0.1]:1/"] {
            let hook = Hook {
                name: "status".to_owned(),
                url: url.parse().unwrap(),
                keys: Vec::new(),
                allowed: Vec::new(),
                authorities: None,
            };
            let poster = Poster::new(vec![hook], Arc::new(SystemClock::new())).unwrap();
            let refused = poster.connect(&poster.doors["status"]).await;
            let error = refused.err().map(|error| error.to_string());
            assert!(
                error.is_some_and(|error| error.contains("not public")),
                "{url}"
            );
        }
    }

    #[test]
    fn only_2xx_takes_an_event_and_only_who_is_overtaxed_may_ask_for_a_pause() {
        let answer = |status: u16| {
            let answer = Response::builder().status(status);
            posted(&answer.header(RETRY_AFTER, "90").body(()).unwrap())
        };
        for status in [200, 202, 204] {
            assert_eq!(answer(status), Posted::Taken);
        }
        for status in [301, 302, 307, 400, 404, 410, 429, 500, 503] {
            let asks = matches!(status, 429 | 503);
            let refused = Posted::Refused {
                status,
                retry_after: asks.then_some(Duration::from_secs(90)),
            };
            assert_eq!(answer(status), refused);
        }
    }
}
