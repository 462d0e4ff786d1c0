//! The HTTP client: one pool of connections, its timeouts and bounds, and the layers around every call.
//! The calls themselves are in one file per API family; this knows none of them.

pub(crate) mod answer;
mod builder;
mod connect;
mod fresh;
mod hosts;
mod measure;
mod preference;
mod request;
mod trace;
mod transport;
mod way;

use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

pub use builder::{BuildError, Builder, Timeouts};
pub use hosts::{Hosts, HostsError};
pub use measure::{Measure, MeasureLayer, Outcome};
pub use request::{ApiRequest, ApiResponse};
pub use trace::{Trace, TraceLayer};
pub use transport::Transport;
pub use way::{Proxy, ProxyError};

use crate::error::CallError;

/// The longest answer that is read, in bytes, unless the call says otherwise.
pub const ANSWER_LIMIT: usize = 64 * 1024;

/// The longest answer to a call that lists something, in bytes.
pub const LIST_LIMIT: usize = 1024 * 1024;

/// A client of WeChat's API. Clones share one pool of connections.
///
/// ```
/// use hongyan_wechat::client::{Client, Hosts, Timeouts, TraceLayer};
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .timeouts(Timeouts { call: Duration::from_secs(15), ..Timeouts::default() })
///     .layer(TraceLayer)
///     .build()?;
/// let elsewhere = client.at(Hosts::new(["https://sh.api.weixin.qq.com"])?);
/// # let _ = elsewhere;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    service: BoxCloneSyncService<ApiRequest, ApiResponse, CallError>,
    hosts: Hosts,
}

impl Client {
    /// A builder with WeChat's own hosts, and defaults for everything.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The same client, pool and layers for other hosts.
    #[must_use]
    pub fn at(&self, hosts: Hosts) -> Self {
        Self {
            service: self.service.clone(),
            hosts,
        }
    }

    /// Makes a call.
    pub(crate) async fn call(&self, mut request: ApiRequest) -> Result<ApiResponse, CallError> {
        request.hosts = self.hosts.clone();
        let mut service = self.service.clone();
        service.ready().await?.call(request).await
    }
}
