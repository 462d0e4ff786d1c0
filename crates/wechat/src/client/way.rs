//! The way to a host: straight, or through a proxy that is asked for a tunnel, so that WeChat sees the proxy's address.
//! Knows no TLS: what goes through a tunnel is as encrypted as it is without.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tower::Service;

/// An HTTP proxy that opens tunnels (`CONNECT`). Its password is in no log.
#[derive(Clone, Debug)]
pub struct Proxy {
    address: Uri,
    login: Option<HeaderValue>,
}

/// This is no proxy that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Not `http://host:port`.
    #[error("a proxy is written as http://host:port, without a user name")]
    Address,
    /// Not `user:password`.
    #[error("a proxy's login is written as user:password")]
    Login,
}

impl Proxy {
    /// A proxy at `http://host:port`, with a login `user:password` where it wants one.
    ///
    /// # Errors
    /// [`ProxyError`] where either has another shape.
    pub fn new(address: &str, login: Option<&SecretString>) -> Result<Self, ProxyError> {
        let address: Uri = address.parse().map_err(|_| ProxyError::Address)?;
        let bare = address
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        let rootless = address.path() == "/" && address.query().is_none();
        if address.scheme_str() != Some("http") || !bare || !rootless {
            return Err(ProxyError::Address);
        }
        let login = login.map(basic).transpose()?;
        Ok(Self { address, login })
    }
}

fn basic(login: &SecretString) -> Result<HeaderValue, ProxyError> {
    let text = login.expose_secret();
    if !text.contains(':') {
        return Err(ProxyError::Login);
    }
    let basic = format!("Basic {}", STANDARD.encode(text));
    let mut value = HeaderValue::try_from(basic).map_err(|_| ProxyError::Login)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Connects to hosts.
#[derive(Clone)]
pub(super) enum Way {
    Straight(HttpConnector),
    Through(Tunnel<HttpConnector>),
}

impl Way {
    pub(super) fn new(tcp: HttpConnector, proxy: Option<&Proxy>) -> Self {
        let Some(proxy) = proxy else {
            return Self::Straight(tcp);
        };
        let tunnel = Tunnel::new(proxy.address.clone(), tcp);
        Self::Through(match &proxy.login {
            Some(login) => tunnel.with_auth(login.clone()),
            None => tunnel,
        })
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Straight(_) => "Straight",
            Self::Through(_) => "Through",
        })
    }
}

impl Service<Uri> for Way {
    type Response = TokioIo<TcpStream>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// Both are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        match self {
            Self::Straight(tcp) => {
                let dialling = tcp.call(host);
                Box::pin(async move { dialling.await.map_err(Into::into) })
            }
            Self::Through(tunnel) => {
                let dialling = tunnel.call(host);
                Box::pin(async move { dialling.await.map_err(Into::into) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_its_password_is_never_shown() {
        let login = SecretString::from("gateway:hunter2");
        let proxy = Proxy::new("http://10.0.0.9:3128", Some(&login)).unwrap();
        let shown = format!("{proxy:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("aHVudGVy"),
            "{shown}"
        );
        for address in [
            "https://10.0.0.9:3128",
            "http://user:pw@10.0.0.9",
            "10.0.0.9:3128",
            "http://10.0.0.9/path",
        ] {
            assert_eq!(
                Proxy::new(address, None).unwrap_err(),
                ProxyError::Address,
                "{address}"
            );
        }
        let login = SecretString::from("hunter2");
        assert_eq!(
            Proxy::new("http://10.0.0.9", Some(&login)).unwrap_err(),
            ProxyError::Login
        );
    }
}
