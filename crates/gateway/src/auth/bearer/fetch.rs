//! Fetches an issuer's keys over HTTPS. No redirect is followed, and only so much is read.
//! It must not know what it fetches.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::timeout;
use tower::ServiceExt;

use super::keys::Fetch;

const TIMEOUT: Duration = Duration::from_secs(10);
const BYTES_MAX: usize = 256 * 1024;

/// The way to one address.
#[derive(Debug, Clone)]
pub struct Https {
    url: Uri,
    connector: HttpsConnector<HttpConnector>,
}

impl Https {
    pub fn new(url: Uri) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { url, connector })
    }

    async fn get(&self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.connector.clone().oneshot(self.url.clone()).await?;
        let (mut sender, connection) = handshake(stream).await?;
        let host = self.url.authority().map_or("", |of| of.as_str());
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("hongyan/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())?;
        let answering = async {
            let response = sender.send_request(request).await?;
            if response.status() != StatusCode::OK {
                return Err(format!("it is answered with {}", response.status()).into());
            }
            let body = Limited::new(response.into_body(), BYTES_MAX).collect();
            Ok(body.await?.to_bytes())
        };
        // The connection is driven by whoever waits for the answer, and ends with it.
        tokio::pin!(answering);
        tokio::select! {
            answer = &mut answering => answer,
            _ = connection => answering.await,
        }
    }
}

#[async_trait]
impl Fetch for Https {
    async fn fetch(&self) -> Result<Bytes, String> {
        match timeout(TIMEOUT, self.get()).await {
            Ok(got) => got.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}
