//! The certificate that the gateway shows, which may be changed while it runs. It must not know where it is kept.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsAcceptor;

/// What is wrong with a certificate or its key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate holds no certificate in PEM")]
    Certificate,
    #[error("the key is no private key in PEM")]
    Key,
    #[error("the certificate and the key do not go together: {0}")]
    Apart(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A certificate with those that vouch for it and its key, read and checked.
#[derive(Debug, Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Both are PEM; the first certificate is the gateway's own.
    pub fn read(certificate: &SecretString, key: &SecretString) -> Result<Self, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(certificate.expose_secret().as_bytes());
        let chain: Vec<_> = certificates
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::Certificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| TlsError::Key)?;
        let provider = aws_lc_rs::default_provider();
        let whole = CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Apart)?;
        whole.keys_match().map_err(TlsError::Apart)?;
        Ok(Self(Arc::new(whole)))
    }
}

impl Identity {
    /// Whether it is the very same certificate.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

/// The certificate of now. Connections that were begun with another one go on.
#[derive(Debug)]
pub struct Live(RwLock<Arc<CertifiedKey>>);

impl Live {
    pub fn new(Identity(first): Identity) -> Arc<Self> {
        Arc::new(Self(RwLock::new(first)))
    }

    /// Shows this one from now on.
    pub fn replace(&self, Identity(next): Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// What begins a connection with it: TLS 1.2 or 1.3, and HTTP/1.1 within.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = include_str!("../tests/keys/tls.crt.pem");
    const KEY: &str = include_str!("../tests/keys/tls.pem");
    const OTHER_KEY: &str = include_str!("../tests/keys/ec.pem");

    #[test]
    fn a_certificate_is_shown_with_its_own_key_alone() {
        let read = |certificate: &str, key: &str| Identity::read(&certificate.into(), &key.into());
        assert!(read(CERTIFICATE, KEY).is_ok());
        let apart = read(CERTIFICATE, OTHER_KEY);
        assert!(matches!(apart, Err(TlsError::Apart(_))), "{apart:?}");
        for none in ["", KEY] {
            let read = read(none, KEY);
            assert!(matches!(read, Err(TlsError::Certificate)), "{read:?}");
        }
        let read = read(CERTIFICATE, CERTIFICATE);
        assert!(matches!(read, Err(TlsError::Key)), "{read:?}");
    }
}
