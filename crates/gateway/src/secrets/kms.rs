//! `kms:…`: a secret encrypted with a data key that an AWS-compatible KMS keeps the key of (envelope encryption). Made by
//! `hongyan config encrypt --kms KEY`; a ciphertext that KMS itself made is taken too.

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::{PATIENCE, Server};
use super::keyring::Credential;
use super::sealed::{Sealed, encode};
use super::sigv4::Signer;
use super::{Fault, SecretSource, text};

/// What an envelope begins with; no ciphertext of KMS does. Then: the length of the wrapped data key (two bytes, big
/// endian), that key, the nonce, and the secret with its tag, bound to all that stands before the nonce.
const MAGIC: &[u8] = b"hyk1";
const NONCE_BYTES: usize = 12;
const JSON: &str = "application/x-amz-json-1.1";

/// A KMS.
pub struct Kms {
    pub server: Server,
    pub region: String,
    pub access_key_id: Credential,
    pub secret_access_key: Credential,
    pub session_token: Option<Credential>,
    pub now: fn() -> Timestamp,
}

/// Secrets that a KMS unwraps.
pub struct Envelopes {
    pub kms: Kms,
    pub sealed: Sealed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Unwrapped {
    plaintext: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataKey {
    plaintext: String,
    ciphertext_blob: String,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl Kms {
    /// The reference for a secret, under a new data key of this KMS key: its id, ARN or alias.
    pub async fn seal(&self, key_id: &str, secret: &SecretString) -> Result<String, Fault> {
        let asked = json!({"KeyId": key_id, "KeySpec": "AES_256"});
        let data_key: DataKey = self.ask("GenerateDataKey", &asked).await?;
        let wrapped = STANDARD.decode(&data_key.ciphertext_blob).map_err(odd)?;
        let key = decoded(data_key.plaintext)?;
        let mut envelope = MAGIC.to_vec();
        let length = u16::try_from(wrapped.len()).map_err(odd)?;
        envelope.extend(length.to_be_bytes());
        envelope.extend(&wrapped);
        let mut body = Zeroizing::new(secret.expose_secret().as_bytes().to_vec());
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(odd)?;
        let nonce = key
            .seal_in_place_append_tag(Aad::from(&envelope), &mut *body)
            .map_err(odd)?;
        envelope.extend(nonce.as_ref());
        envelope.extend(&*body);
        Ok(format!("kms:{}", encode(&envelope)))
    }

    async fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let Some(envelope) = sealed.strip_prefix(MAGIC) else {
            return self.unwrap(sealed).await;
        };
        let cut = || Fault::Wrong("is cut short".to_owned());
        let (length, rest) = envelope.split_first_chunk::<2>().ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (wrapped, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES).ok_or_else(cut)?;
        let key = self.unwrap(wrapped).await?;
        let bound = &sealed[..MAGIC.len() + 2 + length];
        let mut body = Zeroizing::new(body.to_vec());
        let broken = || Fault::Wrong("cannot be decrypted; was it changed?".to_owned());
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| broken())?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let plain = key
            .open_in_place(nonce, Aad::from(bound), &mut body)
            .map_err(|_| broken())?;
        Ok(Zeroizing::new(plain.to_vec()))
    }

    async fn unwrap(&self, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let asked = json!({"CiphertextBlob": STANDARD.encode(blob)});
        let unwrapped: Unwrapped = self.ask("Decrypt", &asked).await?;
        decoded(unwrapped.plaintext)
    }

    async fn ask<T: DeserializeOwned>(&self, action: &str, asked: &Value) -> Result<T, Fault> {
        let id = self.access_key_id.get().await?;
        let secret = self.secret_access_key.get().await?;
        let token = match &self.session_token {
            Some(token) => Some(token.get().await?),
            None => None,
        };
        let target = format!("TrentService.{action}");
        let body = asked.to_string();
        let signer = Signer {
            access_key_id: id.expose_secret(),
            secret_access_key: &secret,
            session_token: token.as_ref(),
            region: &self.region,
            service: "kms",
        };
        let headers = [
            ("content-type", JSON),
            ("host", self.server.host()),
            ("x-amz-target", &target),
        ];
        let signed = signer.sign(&headers, body.as_bytes(), (self.now)());
        let mut request = Request::post("/")
            .header(CONTENT_TYPE, JSON)
            .header("x-amz-target", &target);
        for (name, value) in &signed {
            request = request.header(*name, value.as_str());
        }
        let request = request.body(Bytes::from(body)).map_err(odd)?;
        let answer = self.server.ask(request, PATIENCE).await?;
        if answer.status == StatusCode::OK {
            return answer.json();
        }
        let kind = answer
            .json()
            .map_or_else(|_| String::new(), |refusal: Refusal| refusal.kind);
        Err(Fault::Wrong(format!(
            "is refused by KMS: {} {kind}",
            answer.status
        )))
    }
}

fn decoded(text: String) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let text = Zeroizing::new(text);
    let bytes = STANDARD.decode(text.as_bytes()).map_err(odd)?;
    Ok(Zeroizing::new(bytes))
}

/// The error is not repeated: it might quote what it is about.
fn odd<E>(_: E) -> Fault {
    Fault::Wrong("was answered with something else than expected".to_owned())
}

#[async_trait]
impl SecretSource for Envelopes {
    async fn read(&self, place: &str) -> Result<SecretString, Fault> {
        let sealed = self.sealed.read(place).await?;
        text(&self.kms.open(&sealed).await?)
    }

    async fn changed(&self, place: &str) {
        self.sealed.changed(place).await;
    }
}
