//! Posts a push to a consumer and reads its answer. The address is the operator's own, so none is ruled out.
//! It must not know what a push says.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::Instant;
use tower::ServiceExt;

use super::seals::Sealed;

/// A reply to WeChat is short.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// What became of a post.
#[derive(Debug)]
pub(super) enum Posted {
    /// Answered with 2xx, and this.
    Taken(Bytes),
    /// Answered with another status.
    Refused(StatusCode),
    /// No answer; why.
    Unreached(String),
}

/// The way to all consumers, by a connection for each post: pushes besides receipts are few.
#[derive(Clone, Debug)]
pub struct Poster(HttpsConnector<HttpConnector>);

impl Poster {
    /// Nothing is connected yet.
    pub fn new() -> anyhow::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self(https))
    }

    pub(super) async fn post(&self, url: &Uri, sealed: Sealed, until: Instant) -> Posted {
        match tokio::time::timeout_at(until, self.exchange(url, sealed)).await {
            Ok(Ok(posted)) => posted,
            Ok(Err(error)) => Posted::Unreached(error.to_string()),
            Err(_) => Posted::Unreached("no answer in time".to_owned()),
        }
    }

    async fn exchange(
        &self,
        url: &Uri,
        sealed: Sealed,
    ) -> Result<Posted, Box<dyn std::error::Error + Send + Sync>> {
        let joint = if url.query().is_some() { '&' } else { '?' };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        let host = url.authority().ok_or("the url has no host")?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{target}{joint}{}", sealed.query))
            .header(HOST, host.as_str())
            .header(CONTENT_TYPE, sealed.content_type)
            .body(Full::new(Bytes::from(sealed.body)))?;
        let stream = self.0.clone().oneshot(url.clone()).await?;
        let (mut sender, connection) = handshake(stream).await?;
        let asking = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await?.to_bytes();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body))
        };
        // Its end shows at the one who asks.
        let driving = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        let (status, body) = tokio::select! {
            answered = asking => answered?,
            never = driving => match never {},
        };
        Ok(if status.is_success() {
            Posted::Taken(body)
        } else {
            Posted::Refused(status)
        })
    }
}
