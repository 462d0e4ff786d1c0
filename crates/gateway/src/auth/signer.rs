//! The caller's side of signing: the four headers of a request.
//! It must not send anything, nor look at a clock.

use hongyan_courier::time::UnixMs;
use http::{Method, Uri};
use secrecy::SecretString;

use crate::auth::canonical::{self, Canonical, QueryNotUtf8};
use crate::auth::credentials::{CLIENT_ID, NONCE, SIGNATURE, TIMESTAMP};
use crate::auth::signature::{BodyHash, SigningKey};

#[derive(Debug)]
pub struct Signer {
    client: String,
    key: SigningKey,
}

impl Signer {
    pub fn new(client: impl Into<String>, secret: &SecretString) -> Self {
        Self {
            client: client.into(),
            key: SigningKey::new(secret),
        }
    }

    /// Signs with a nonce of its own, so that the same call twice gives two good requests.
    pub fn headers(
        &self,
        method: &Method,
        uri: &Uri,
        body: &[u8],
        now: UnixMs,
    ) -> Result<[(&'static str, String); 4], QueryNotUtf8> {
        let timestamp = now.0.div_euclid(1000).to_string();
        let nonce = hex::encode(rand::random::<[u8; 16]>());
        let hash = BodyHash::of(body);
        let signature = self.key.sign(&Canonical {
            method: method.as_str(),
            path: uri.path(),
            query: &canonical::query(uri.query().unwrap_or_default())?,
            timestamp: &timestamp,
            nonce: &nonce,
            body_sha256: hash.as_str(),
        });
        Ok([
            (CLIENT_ID, self.client.clone()),
            (TIMESTAMP, timestamp),
            (NONCE, nonce),
            (SIGNATURE, signature),
        ])
    }
}
