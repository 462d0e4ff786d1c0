//! Signs a request as docs/signing.md says; written anew here, so that the bench needs nothing of the gateway.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A client of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Credential {
    /// The four headers of a request without a query.
    pub(crate) fn headers(
        &self,
        path: &str,
        body: &[u8],
        nonce: &str,
        unix_s: u64,
    ) -> [(&'static str, String); 4] {
        let digest = hex::encode(Sha256::digest(body));
        let text = format!("HONGYAN-HMAC-SHA256-V1\nPOST\n{path}\n\n{unix_s}\n{nonce}\n{digest}\n");
        let signature = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .map(|mut mac| {
                mac.update(text.as_bytes());
                hex::encode(mac.finalize().into_bytes())
            })
            .unwrap_or_default();
        [
            ("x-client-id", self.id.clone()),
            ("x-timestamp", unix_s.to_string()),
            ("x-nonce", nonce.to_owned()),
            ("x-signature", signature),
        ]
    }
}
