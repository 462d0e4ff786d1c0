//! How a client is put together: hosts, timeouts, pool, layers.
//! Knows defaults and no configuration file.

use std::time::Duration;

use http::HeaderValue;
use tower::layer::util::{Identity, Stack};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service};

use super::{ApiRequest, ApiResponse, Client, Hosts, Proxy, Transport};
use crate::error::CallError;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("hongyan/", env!("CARGO_PKG_VERSION")));

/// How long each part of a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, connection and TLS, per host: 3 s.
    pub connect: Duration,
    /// Without progress while writing: 5 s.
    pub write: Duration,
    /// Without a byte while waiting for the answer: 10 s. An idle connection is kept as long.
    pub read: Duration,
    /// The whole call, all hosts included: 20 s.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            write: Duration::from_secs(5),
            read: Duration::from_secs(10),
            call: Duration::from_secs(20),
        }
    }
}

/// The client cannot be built: the TLS library refuses its own defaults.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct BuildError(#[source] pub(super) rustls::Error);

/// Builds a [`Client`]; `L` is what its layers have become.
#[derive(Clone, Debug)]
pub struct Builder<L = Identity> {
    hosts: Hosts,
    timeouts: Timeouts,
    max_idle: usize,
    user_agent: HeaderValue,
    proxy: Option<Proxy>,
    layer: L,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            hosts: Hosts::official(),
            timeouts: Timeouts::default(),
            max_idle: 512,
            user_agent: USER_AGENT,
            proxy: None,
            layer: Identity::new(),
        }
    }
}

impl<L> Builder<L> {
    /// The hosts to call; WeChat's own by default.
    #[must_use]
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// How long each part of a call may take.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How many idle connections are kept per host; 512 by default. Calls under way are bounded by the caller.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// The `User-Agent`; `hongyan/<version>` by default.
    #[must_use]
    pub fn user_agent(mut self, name: HeaderValue) -> Self {
        self.user_agent = name;
        self
    }

    /// All calls go through this proxy; none by default.
    #[must_use]
    pub fn proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Wraps every call in `layer`; the last one added is the outermost.
    ///
    /// A layer sees the [`ApiRequest`] and its outcome, with refusals already read as [`CallError::Refused`]. A call
    /// must not be repeated by a layer: whether it may be is for the caller to know.
    ///
    /// ```
    /// use hongyan_wechat::client::Client;
    /// use tower::layer::layer_fn;
    ///
    /// // A concurrency limit, a test's tap: any tower layer over a cloneable service. For metrics, see `MeasureLayer`.
    /// let client = Client::builder().layer(layer_fn(|inner| inner)).build()?;
    /// # let _ = client;
    /// # Ok::<(), hongyan_wechat::client::BuildError>(())
    /// ```
    #[must_use]
    pub fn layer<T>(self, layer: T) -> Builder<Stack<L, T>> {
        let Self {
            hosts,
            timeouts,
            max_idle,
            user_agent,
            proxy,
            layer: inner,
        } = self;
        Builder {
            hosts,
            timeouts,
            max_idle,
            user_agent,
            proxy,
            layer: Stack::new(inner, layer),
        }
    }

    /// Builds the client. Nothing is connected yet.
    ///
    /// # Errors
    /// [`BuildError`] when TLS cannot be set up.
    pub fn build(self) -> Result<Client, BuildError>
    where
        L: Layer<Transport>,
        L::Service: Service<ApiRequest, Response = ApiResponse, Error = CallError>,
        L::Service: Clone + Send + Sync + 'static,
        <L::Service as Service<ApiRequest>>::Future: Send + 'static,
    {
        let transport = Transport::new(
            self.timeouts,
            self.max_idle,
            self.user_agent,
            self.proxy.as_ref(),
        )?;
        let service = BoxCloneSyncService::new(self.layer.layer(transport));
        Ok(Client {
            service,
            hosts: self.hosts,
        })
    }
}
