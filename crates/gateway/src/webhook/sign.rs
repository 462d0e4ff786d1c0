//! Signatures of events, as Standard Webhooks has them: HMAC-SHA256 over id, time and body, one for each secret.
//! It must not know what is signed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a secret begins with.
pub const PREFIX: &str = "whsec_";

/// The least and the most bytes of a secret, by the standard.
const BYTES: (usize, usize) = (24, 64);

/// A webhook's secret, made ready for many signatures; wiped when dropped.
#[derive(Clone)]
pub struct WebhookKey(Hmac<Sha256>);

impl WebhookKey {
    /// Reads a secret as it is handed out: `whsec_` and the base64 of 24 to 64 bytes.
    pub fn parse(secret: &SecretString) -> Result<Self, String> {
        let wrong = || {
            format!(
                "is not a webhook secret: {PREFIX} and the base64 of {} to {} bytes; `hongyan webhooks secret` makes one",
                BYTES.0, BYTES.1
            )
        };
        let text = secret.expose_secret().strip_prefix(PREFIX);
        let key = text.and_then(|text| STANDARD.decode(text).ok());
        let key = Zeroizing::new(key.ok_or_else(wrong)?);
        if key.len() < BYTES.0 || key.len() > BYTES.1 {
            return Err(wrong());
        }
        let mac = Hmac::new_from_slice(&key).expect("HMAC takes a key of any length");
        Ok(Self(mac))
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(***)")
    }
}

/// The `webhook-signature`: one for each key, the newest first, so that a receiver may have either while they change.
pub fn signature(keys: &[WebhookKey], id: &str, seconds: i64, body: &[u8]) -> String {
    let all: Vec<String> = keys.iter().map(|key| key.sign(id, seconds, body)).collect();
    all.join(" ")
}

/// A new secret.
pub fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<WebhookKey, String> {
        WebhookKey::parse(&SecretString::from(text))
    }

    /// The example of the standard's own libraries.
    #[test]
    fn a_signature_is_the_standards() {
        let known = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, seconds) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            signature(std::slice::from_ref(&known), id, seconds, body),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        let other = key(&new_secret()).unwrap();
        let both = signature(&[other, known], id, seconds, body);
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_weak_secret_is_refused_and_never_repeated() {
        for text in [
            "",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_not base64",
        ] {
            let error = key(text).unwrap_err();
            assert!(error.contains("whsec_ and the base64"), "{error}");
            assert!(text.len() < 7 || !error.contains(&text[6..]), "{error}");
        }
    }
}
