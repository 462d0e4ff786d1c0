//! The way to a server that keeps secrets: one HTTP/1 exchange over a connection of its own, within bounds.
//! It must not know what is asked, and what was answered is wiped when it is dropped.

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use super::Fault;

/// Secrets are short; documents of a configuration are the longest that is asked for.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an answer may take that nobody meant to wait for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A server.
pub struct Server {
    base: Uri,
    connector: HttpsConnector<HttpConnector>,
}

/// What it answered.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Zeroizing<Vec<u8>>,
}

impl Server {
    /// A server at `http://host:port` or `https://host:port`. With `ca` only certificates are trusted that one in that
    /// file signed, else the web's. Nothing is connected yet.
    pub fn new(address: &str, ca: Option<&Path>) -> Result<Self, String> {
        let base: Uri = address
            .trim_end_matches('/')
            .parse()
            .map_err(|_| "is not an address such as https://127.0.0.1:8200".to_owned())?;
        let named = base.host().is_some_and(|host| !host.is_empty());
        if !named || !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err("is not an address such as https://127.0.0.1:8200".to_owned());
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = match ca {
            None => HttpsConnectorBuilder::new()
                .with_provider_and_webpki_roots(provider)
                .map_err(|error| error.to_string())?,
            Some(file) => {
                let config = ClientConfig::builder_with_provider(Arc::new(provider))
                    .with_safe_default_protocol_versions()
                    .map_err(|error| error.to_string())?
                    .with_root_certificates(roots(file)?)
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
        };
        Ok(Self {
            base,
            connector: builder.https_or_http().enable_http1().wrap_connector(tcp),
        })
    }

    /// The host as a request names it.
    pub fn host(&self) -> &str {
        self.base.authority().map_or("", |host| host.as_str())
    }

    /// Makes a request, whose address is only a path with a query.
    pub async fn ask(&self, request: Request<Bytes>, patience: Duration) -> Result<Answer, Fault> {
        let away = |why: String| Fault::Away(format!("{} {why}", self.host()));
        match tokio::time::timeout(patience, self.exchange(request)).await {
            Ok(Ok(answer)) if answer.status.is_server_error() => {
                Err(away(format!("answers {}", answer.status)))
            }
            Ok(Ok(answer)) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                Err(away("has had too many requests".to_owned()))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(away(format!("cannot be asked: {error}"))),
            Err(_) => Err(away("does not answer".to_owned())),
        }
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(HOST, self.host().parse()?);
        let request = Request::from_parts(parts, Full::new(body));
        let stream = self.connector.clone().oneshot(self.base.clone()).await?;
        let (mut sender, connection) = handshake(stream).await?;
        let asking = async {
            let response = sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(Answer {
                status: parts.status,
                headers: parts.headers,
                body: Zeroizing::new(body.to_bytes().to_vec()),
            })
        };
        // Its end shows at the one who asks.
        let driving = async {
            let _ = connection.await;
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            answered = asking => answered,
            never = driving => match never {},
        }
    }
}

impl Answer {
    /// What was asked for is there; if not, why not. `by` is who may not read it, such as `with this token`.
    pub fn found(self, by: &str) -> Result<Self, Fault> {
        match self.status {
            StatusCode::OK => Ok(self),
            StatusCode::NOT_FOUND => Err(Fault::Wrong("is not there".to_owned())),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                Err(Fault::Wrong(format!("may not be read {by}")))
            }
            status => Err(Fault::Wrong(format!("is answered with {status}"))),
        }
    }

    /// The body as JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        // What was there is not repeated: it may be the secret.
        serde_json::from_slice(&self.body)
            .map_err(|_| Fault::Wrong("was answered with something else than expected".to_owned()))
    }
}

fn roots(file: &Path) -> Result<RootCertStore, String> {
    let shown = file.display();
    let unreadable = |error: &dyn std::fmt::Display| format!("{shown} cannot be read: {error}");
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    match roots.is_empty() {
        true => Err(format!("{shown} holds no certificate")),
        false => Ok(roots),
    }
}
