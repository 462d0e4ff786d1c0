//! Connections: TCP without delay, TLS by rustls with the web's roots, and a timeout on each of their operations.
//! Knows no requests.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;

use super::way::{Proxy, Way};
use super::{BuildError, Timeouts};

pub(super) type Connector = TimeoutConnector<HttpsConnector<Way>>;
pub(super) type Pool = legacy::Client<Connector, Full<Bytes>>;

/// How much of an answer's head is waited for, in bytes. It is looked at between reads, so that a head of up to twice
/// the length may still be taken.
pub(super) const MAX_HEAD: usize = 64 * 1024;

pub(super) fn connector(
    timeouts: Timeouts,
    proxy: Option<&Proxy>,
) -> Result<Connector, BuildError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    // Shared out among the addresses of a name, so that one dead address does not eat the whole of it.
    tcp.set_connect_timeout(Some(timeouts.connect));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(Arc::new(aws_lc_rs::default_provider()))
        .map_err(BuildError)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(Way::new(tcp, proxy));
    let mut timed = TimeoutConnector::new(tls);
    timed.set_connect_timeout(Some(timeouts.connect));
    timed.set_write_timeout(Some(timeouts.write));
    timed.set_read_timeout(Some(timeouts.read));
    // A pooled connection waits for a read all the time: without this, a call on one that has idled for almost the
    // read timeout would be cut off at once.
    timed.set_reset_reader_on_write(true);
    Ok(timed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where wechat's HTTP client is built"
)]
pub(super) fn pool(connector: Connector, timeouts: Timeouts, max_idle: usize) -> Pool {
    // Requests that hyper hands back unwritten are repeated by the pool itself (its default): a connection that WeChat
    // closed while it idled is no doubt.
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(timeouts.read)
        .pool_max_idle_per_host(max_idle)
        .http1_max_buf_size(MAX_HEAD)
        .build(connector)
}
