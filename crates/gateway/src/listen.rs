//! A listener's life: takes connections in, up to a bound, serves HTTP/1 on each, over TLS where it has a certificate, and
//! lets go of callers who keep it waiting. It must not know any route, nor decide when to stop.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::limits::address::Peer;

/// How long a caller may take. What the gateway does meanwhile has bounds of its own, and so has the arrival of a body.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Without a byte of a request, or without taking a byte of an answer.
    pub idle: Duration,
}

impl Default for Patience {
    /// Longer than the usual clients keep a connection that they do not use (90 s), so that it is them who close it: one
    /// that is closed just as a request leaves fails that request.
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(120),
        }
    }
}

/// A request's head, with its address, is at most so long.
const HEAD_BYTES_MAX: usize = 128 * 1024;
const HEADERS_MAX: usize = 100;

/// What a listener takes in.
#[derive(Clone)]
pub struct House {
    pub patience: Patience,
    /// The most connections at a time.
    pub connections: usize,
    pub tls: Option<TlsAcceptor>,
}

impl Default for House {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            connections: Semaphore::MAX_PERMITS,
            tls: None,
        }
    }
}

/// How long to wait when no connection can be taken in, for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The routes that are served, which may be others from one request to the next.
#[derive(Clone)]
pub struct Routes(Arc<ArcSwap<Router>>);

impl Routes {
    #[must_use]
    pub fn new(routes: Router) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(finished(routes))))
    }

    /// From the next request on these are served; requests that were begun end as they began.
    pub fn replace(&self, routes: Router) {
        self.0.store(Arc::new(finished(routes)));
    }

    fn now(&self) -> Router {
        Router::clone(&self.0.load())
    }
}

/// Finished here once, or it would be at each request.
fn finished(routes: Router) -> Router {
    routes.with_state(())
}

/// Serves until told to stop, and then until every request that was begun is answered.
pub async fn serve(listener: TcpListener, routes: Routes, house: House, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(house.connections));
    let mut told = false;
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            stream = next(&listener) => stream,
        };
        // At the bound a newcomer learns at once that there is no room, instead of waiting for somebody to leave.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics::counter!("hongyan_rate_limited_total", "limit" => "connections", "name" => "")
                .increment(1);
            if !told {
                tracing::warn!(
                    connections = house.connections,
                    "too many connections: further ones are closed"
                );
                told = true;
            }
            continue;
        };
        // Small answers must not wait for the other side's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
        // A token of its own: every look at a shared one would take the same lock.
        let stop = stop.child_token();
        let (routes, house) = (routes.clone(), house.clone());
        connections.spawn(async move {
            welcome(stream, Peer(peer), routes, house, stop).await;
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Speaks TLS first, if that is spoken here.
async fn welcome(
    stream: TcpStream,
    peer: Peer,
    routes: Routes,
    house: House,
    stop: CancellationToken,
) {
    let Some(tls) = house.tls else {
        return converse(stream, peer, routes, house.patience, stop).await;
    };
    let greeting = tokio::select! {
        () = stop.cancelled() => return,
        greeting = tokio::time::timeout(house.patience.head, tls.accept(stream)) => greeting,
    };
    match greeting {
        Ok(Ok(stream)) => converse(stream, peer, routes, house.patience, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection spoke no TLS"),
        Err(_) => tracing::debug!("a connection took too long to begin TLS"),
    }
}

/// The next connection, whatever becomes of others.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut told = false;
    loop {
        let error = match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        if gave_up(&error) {
            continue;
        }
        if !told {
            tracing::error!(%error, "no connection can be taken in; trying again until one can");
            told = true;
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Whether it is only that a caller went before being let in.
fn gave_up(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: Peer,
    routes: Routes,
    patience: Patience,
    stop: CancellationToken,
) {
    let pace = Arc::new(Pace::start());
    let io = TokioIo::new(Paced {
        stream,
        pace: Arc::clone(&pace),
    });
    let answer = |mut request: Request<Incoming>| {
        pace.asked();
        request.extensions_mut().insert(peer);
        let (answer, pace) = (routes.now().call(request), Arc::clone(&pace));
        async move {
            let answer = answer.await;
            pace.answered();
            answer
        }
    };
    let mut speaker = http1::Builder::new();
    speaker
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut talk = pin!(speaker.serve_connection(io, service_fn(answer)));
    // A head may begin at any moment, so its time is looked at as often as it may run out.
    let often = patience.head.min(patience.idle);
    let mut look = pin!(tokio::time::sleep(often));
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            ended = talk.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                // Hyper goes on to wait for the rest of a first request, and only of a first one.
                if !pace.ever_asked() {
                    return;
                }
                talk.as_mut().graceful_shutdown();
                stopping = true;
            }
            () = look.as_mut() => match pace.deadline(patience) {
                Some(at) if at <= Instant::now() => return,
                at => {
                    let soon = Instant::now() + often;
                    look.as_mut().reset(at.map_or(soon, |at| at.min(soon)));
                }
            }
        }
    }
}

/// What a connection is waiting for, and since when. Its reading, its answering and whoever looks at the time are one
/// task: nobody races.
#[derive(Debug)]
struct Pace {
    began: Instant,
    waits_for: AtomicU8,
    /// Milliseconds since it began.
    since: AtomicU64,
}

/// The caller: for the first request.
const FIRST: u8 = 0;
/// The caller: for the rest of a first request's head.
const REST_OF_FIRST: u8 = 1;
/// The gateway: for an answer.
const ANSWER: u8 = 2;
/// The caller: to take the answer, and for the next request.
const NEXT: u8 = 3;
/// The caller: for the rest of a further request's head.
const REST_OF_NEXT: u8 = 4;

impl Pace {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            waits_for: AtomicU8::new(FIRST),
            since: AtomicU64::new(0),
        }
    }

    /// Bytes came in; those of a body, during an answer, are not counted.
    fn read(&self) {
        match self.waits_for() {
            FIRST => self.waits(REST_OF_FIRST),
            NEXT => self.waits(REST_OF_NEXT),
            _ => {}
        }
    }

    fn asked(&self) {
        self.waits_for.store(ANSWER, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.waits(NEXT);
    }

    /// Bytes of an answer were taken.
    fn written(&self) {
        if self.waits_for() == NEXT {
            self.waits(NEXT);
        }
    }

    fn ever_asked(&self) -> bool {
        !matches!(self.waits_for(), FIRST | REST_OF_FIRST)
    }

    /// When the caller has taken too long; none while it is the gateway that takes its time.
    fn deadline(&self, patience: Patience) -> Option<Instant> {
        let since = self.began + Duration::from_millis(self.since.load(Ordering::Relaxed));
        match self.waits_for() {
            ANSWER => None,
            REST_OF_FIRST | REST_OF_NEXT => Some(since + patience.head),
            _ => Some(since + patience.idle),
        }
    }

    fn waits_for(&self) -> u8 {
        self.waits_for.load(Ordering::Relaxed)
    }

    fn waits(&self, what: u8) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since.store(since, Ordering::Relaxed);
        self.waits_for.store(what, Ordering::Relaxed);
    }
}

/// A connection that notes when bytes pass.
struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.pace.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf));
        this.pace.written();
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs));
        this.pace.written();
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
