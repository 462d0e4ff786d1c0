//! `vault:MOUNT/PATH#FIELD`: a field of a secret of Vault's KV engine (version 2), looked at from time to time; and
//! `vault:MOUNT/KEY#vault:v1:…`: a ciphertext of its Transit engine, which Vault decrypts.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Builder;
use http::{Request, StatusCode};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::http::{Answer, PATIENCE, Server};
use super::keyring::Credential;
use super::outage::Outage;
use super::seen::Seen;
use super::{Fault, SecretSource, field, text};

/// What every ciphertext of Transit begins with.
const CIPHERTEXT: &str = "vault:v";

pub struct Vault {
    server: Server,
    token: Option<Credential>,
    namespace: Option<String>,
    look_every: Duration,
    /// A hash of what was read last, by place.
    seen: Seen<[u8; 32]>,
    outage: Outage,
}

#[derive(Deserialize)]
struct Read {
    data: Versioned,
}

#[derive(Deserialize)]
struct Versioned {
    data: HashMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Decrypted {
    data: Plaintext,
}

#[derive(Deserialize)]
struct Plaintext {
    plaintext: String,
}

impl Vault {
    #[must_use]
    pub fn new(
        server: Server,
        token: Option<Credential>,
        namespace: Option<String>,
        look_every: Duration,
    ) -> Self {
        Self {
            server,
            token,
            namespace,
            look_every,
            seen: Seen::default(),
            outage: Outage::new("vault"),
        }
    }

    async fn ask(&self, mut request: Builder, body: Bytes) -> Result<Answer, Fault> {
        request = request.header("X-Vault-Request", "true");
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token.get().await?.expose_secret());
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let request = request
            .body(body)
            .map_err(|_| Fault::Wrong("is not a path of Vault".to_owned()))?;
        let answer = self.server.ask(request, PATIENCE).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(Fault::Wrong("is refused by Vault".to_owned()));
        }
        answer.found("with this token")
    }

    async fn kept(&self, path: &str, name: &str) -> Result<SecretString, Fault> {
        let request = Request::get(format!("/v1/{}", within(path, "data")?));
        let read: Read = self.ask(request, Bytes::new()).await?.json()?;
        let value = read.data.data.get(name).and_then(|value| value.as_str());
        let value = value.ok_or_else(|| Fault::Wrong(format!("has no {name:?}")))?;
        text(value.as_bytes())
    }

    async fn decrypted(&self, path: &str, ciphertext: &str) -> Result<SecretString, Fault> {
        let request = Request::post(format!("/v1/{}", within(path, "decrypt")?));
        let body = json!({"ciphertext": ciphertext}).to_string();
        let answer: Decrypted = self.ask(request, Bytes::from(body)).await?.json()?;
        let encoded = Zeroizing::new(answer.data.plaintext);
        let plain = STANDARD
            .decode(encoded.as_bytes())
            .map_err(|_| Fault::Wrong("was answered with something else than base64".to_owned()))?;
        text(&Zeroizing::new(plain))
    }
}

/// The path as Vault's API has it: the word goes behind the mount, which is the first part unless the path has the word.
fn within(path: &str, word: &str) -> Result<String, Fault> {
    if path.contains(&format!("/{word}/")) {
        return Ok(path.to_owned());
    }
    match path.split_once('/') {
        Some((mount, rest)) if !mount.is_empty() && !rest.is_empty() => {
            Ok(format!("{mount}/{word}/{rest}"))
        }
        _ => Err(Fault::Wrong(
            "names no path; write vault:MOUNT/PATH#FIELD".to_owned(),
        )),
    }
}

#[async_trait]
impl SecretSource for Vault {
    async fn read(&self, place: &str) -> Result<SecretString, Fault> {
        let (path, what) = field::split(place);
        let what = what.ok_or_else(|| {
            Fault::Wrong("names no field; write vault:MOUNT/PATH#FIELD".to_owned())
        })?;
        if what.starts_with(CIPHERTEXT) {
            return self.decrypted(path, what).await;
        }
        let value = self.kept(path, what).await?;
        self.seen.note(place, hash(&value));
        Ok(value)
    }

    async fn changed(&self, place: &str) {
        let (path, what) = field::split(place);
        let name = what.filter(|what| !what.starts_with(CIPHERTEXT));
        let Some(name) = name else {
            return std::future::pending().await;
        };
        let seen = self.seen.last(place).await;
        loop {
            tokio::time::sleep(self.look_every).await;
            let asked = self.kept(path, name).await;
            self.outage.note(&asked);
            if let Ok(value) = asked
                && hash(&value) != seen
            {
                return;
            }
        }
    }
}

fn hash(value: &SecretString) -> [u8; 32] {
    Sha256::digest(value.expose_secret()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_be_written_as_people_say_it_or_as_the_api_has_it() {
        for (path, word, api) in [
            ("secret/clinic", "data", "secret/data/clinic"),
            ("secret/data/clinic", "data", "secret/data/clinic"),
            ("team/kv/data/a/b", "data", "team/kv/data/a/b"),
            ("transit/hongyan", "decrypt", "transit/decrypt/hongyan"),
        ] {
            assert_eq!(within(path, word).unwrap(), api);
        }
        assert!(within("secret", "data").is_err());
    }
}
