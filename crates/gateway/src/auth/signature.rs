//! HMAC-SHA256 over the canonical request: how callers sign and how the gateway checks.
//! It must not know headers, clients or time.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::auth::canonical::Canonical;

/// A secret made ready for many signatures; wiped when dropped.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    pub fn new(secret: &SecretString) -> Self {
        Self(
            Hmac::new_from_slice(secret.expose_secret().as_bytes())
                .expect("HMAC takes a key of any length"),
        )
    }

    /// Lower-case hex.
    pub fn sign(&self, request: &Canonical<'_>) -> String {
        hex::encode(self.over(request).finalize().into_bytes())
    }

    /// In constant time.
    fn matches(&self, request: &Canonical<'_>, signature: &[u8; 32]) -> bool {
        self.over(request).verify_slice(signature).is_ok()
    }

    /// A tag over bytes that are no request: its `purpose` keeps it from serving as anything else. Only the last part may
    /// be of any length.
    pub fn tag(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.over_parts(purpose, parts)
            .finalize()
            .into_bytes()
            .into()
    }

    /// In constant time.
    pub fn verify_tag(&self, purpose: &str, parts: &[&[u8]], tag: &[u8; 32]) -> bool {
        self.over_parts(purpose, parts).verify_slice(tag).is_ok()
    }

    fn over_parts(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(purpose.as_bytes());
        mac.update(b"\n");
        for part in parts {
            mac.update(part);
        }
        mac
    }

    fn over(&self, request: &Canonical<'_>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for line in request.lines() {
            mac.update(line.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// Tries every key, also after one matched, so that the time does not tell which one did.
pub fn verify(keys: &[SigningKey], request: &Canonical<'_>, signature: &[u8; 32]) -> bool {
    keys.iter().fold(false, |matched, key| {
        key.matches(request, signature) | matched
    })
}

/// Lower-case hex of SHA-256, on the stack.
pub struct BodyHash([u8; 64]);

impl BodyHash {
    pub fn of(body: &[u8]) -> Self {
        let mut digits = [0; 64];
        hex::encode_to_slice(Sha256::digest(body), &mut digits).expect("32 bytes are 64 digits");
        Self(digits)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hex digits are ASCII")
    }
}

/// The signature as sent: 64 lower-case hexadecimal digits and nothing else.
pub fn parse(text: &str) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    let lower = text
        .bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (lower && hex::decode_to_slice(text, &mut signature).is_ok()).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::canonical;

    struct Vector {
        method: &'static str,
        path: &'static str,
        query: &'static str,
        secret: &'static str,
        body: &'static str,
        signature: &'static str,
    }

    const TIMESTAMP: &str = "1767225600";
    const NONCE: &str = "0123456789abcdef";

    /// The vectors of docs/signing.md.
    const VECTORS: [Vector; 4] = [
        Vector {
            method: "GET",
            path: "/v1/accounts",
            query: "",
            secret: "correct-horse-battery-staple",
            body: "",
            signature: "ea17a90f7ff95f8337010adf363dd546208ab83667de697818bfbffe41afd228",
        },
        Vector {
            method: "POST",
            path: "/v1/messages",
            query: "wait=5",
            secret: "correct-horse-battery-staple",
            body: r#"{"touser":"o1","template_id":"t1","data":{"thing1":{"value":"你好"}}}"#,
            signature: "c710cb7562388dd3a6046e30fd308fb83fc8d4af1e8fb740a3547c29dc7a5e3f",
        },
        Vector {
            method: "GET",
            path: "/v1/messages",
            query: "status=failed&reason=a+b&since=2026-01-01T00%3a00%3a00Z&&reference=%E8%AE%A2%E5%8D%95&flag",
            secret: "correct-horse-battery-staple",
            body: "",
            signature: "8d94470d47c2df30d899b675a29b2746372a59e2891a57040b29516c20ca2b14",
        },
        Vector {
            method: "POST",
            path: "/v1/messages/01%2f/cancel",
            query: "",
            secret: "密钥",
            body: "",
            signature: "9d5fb2f55e02ceda67a49333cdb72bf5946c63dfcf096d8187cd1e6effd1567b",
        },
    ];

    fn signed(vector: &Vector, secret: &str) -> String {
        let query = canonical::query(vector.query).unwrap();
        let hash = BodyHash::of(vector.body.as_bytes());
        let request = Canonical {
            method: vector.method,
            path: vector.path,
            query: &query,
            timestamp: TIMESTAMP,
            nonce: NONCE,
            body_sha256: hash.as_str(),
        };
        SigningKey::new(&secret.into()).sign(&request)
    }

    #[test]
    fn the_vectors_of_the_document_hold() {
        for vector in &VECTORS {
            assert_eq!(
                signed(vector, vector.secret),
                vector.signature,
                "{} {}",
                vector.path,
                vector.query
            );
        }
    }

    #[test]
    fn every_live_secret_verifies_and_no_other() {
        let old = SigningKey::new(&"old".into());
        let new = SigningKey::new(&"new".into());
        let hash = BodyHash::of(b"body");
        let request = Canonical {
            method: "POST",
            path: "/",
            query: "",
            timestamp: TIMESTAMP,
            nonce: NONCE,
            body_sha256: hash.as_str(),
        };
        let by = |secret: &str| parse(&SigningKey::new(&secret.into()).sign(&request)).unwrap();
        let keys = [new, old];
        assert!(verify(&keys, &request, &by("old")) && verify(&keys, &request, &by("new")));
        assert!(!verify(&keys, &request, &by("other")) && !verify(&[], &request, &by("old")));
        let moved = Canonical {
            path: "/x",
            ..request
        };
        assert!(!verify(&keys, &moved, &by("new")));
    }

    #[test]
    fn a_signature_has_one_spelling() {
        assert!(parse(&"0a".repeat(32)).is_some());
        for text in [
            "",
            "0a",
            &"0A".repeat(32),
            &"0g".repeat(32),
            &"0a".repeat(33),
            &format!("+{}", "a".repeat(63)),
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
