//! The keys that an issuer publishes: fetched now and then, remembered, and fetched at once for a key that is not known,
//! though not as often as somebody makes up such keys. It must not know tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// How often the keys are fetched when nothing asks for them.
const EVERY: Duration = Duration::from_secs(600);
/// After a fetch in vain, and the least that lies between two fetches that unknown keys ask for.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a request waits for a fetch.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keys that could not be confirmed for so long are not believed any more.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);
/// More keys than any issuer has.
const KEYS_MAX: usize = 64;

/// Gets what an issuer publishes.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The document as it is, of a bounded length, within a bounded time; or why there is none, for the log.
    async fn fetch(&self) -> Result<Bytes, String>;
}

type Known = Arc<HashMap<Option<String>, Arc<DecodingKey>>>;

/// One issuer's keys.
pub struct KeySet {
    name: String,
    algorithm: Algorithm,
    source: Arc<dyn Fetch>,
    /// With the moment at which they were confirmed last.
    known: Mutex<Option<(Known, Instant)>>,
    /// When the source was asked last. Whoever asks holds it, so that it is asked once at a time.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl KeySet {
    pub fn new(name: String, algorithm: Algorithm, source: Arc<dyn Fetch>) -> Self {
        Self {
            name,
            algorithm,
            source,
            known: Mutex::default(),
            asked: tokio::sync::Mutex::default(),
        }
    }

    /// The key of this id. One that is not known is asked for, if that was not done a moment ago.
    pub async fn find(&self, kid: Option<&str>) -> Option<Arc<DecodingKey>> {
        if let Some(key) = self.get(kid) {
            return Some(key);
        }
        let asking = async {
            let mut asked = self.asked.lock().await;
            if asked.is_none_or(|at| at.elapsed() >= PAUSE) {
                self.fetch(&mut asked).await;
            }
        };
        // Whoever waits too long goes without; the next one finds what the fetch brings.
        timeout(PATIENCE, asking).await.ok()?;
        self.get(kid)
    }

    /// Keeps the keys fresh until it is told to stop.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            let pause = match self.fetch(&mut *self.asked.lock().await).await {
                true => EVERY,
                false => PAUSE,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn get(&self, kid: Option<&str>) -> Option<Arc<DecodingKey>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (keys, since) = known.as_ref()?;
        if since.elapsed() > BELIEVED {
            return None;
        }
        keys.get(&kid.map(str::to_owned)).cloned()
    }

    async fn fetch(&self, asked: &mut Option<Instant>) -> bool {
        *asked = Some(Instant::now());
        let read = self.source.fetch().await;
        let read = read.and_then(|document| read_keys(&document, self.algorithm));
        let result = if read.is_ok() { "ok" } else { "failed" };
        metrics::counter!("hongyan_jwks_fetches_total", "issuer" => self.name.clone(), "result" => result)
            .increment(1);
        match read {
            Ok(keys) => {
                let fresh = Some((Arc::new(keys), Instant::now()));
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
                true
            }
            Err(error) => {
                tracing::warn!(issuer = %self.name, error, "the issuer's keys cannot be fetched; those that are known go on for a day");
                false
            }
        }
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// The keys of a document that are for this algorithm. Others may be beside them.
fn read_keys(
    document: &[u8],
    algorithm: Algorithm,
) -> Result<HashMap<Option<String>, Arc<DecodingKey>>, String> {
    let document: Document =
        serde_json::from_slice(document).map_err(|_| "it is no set of keys".to_owned())?;
    if document.keys.len() > KEYS_MAX {
        return Err(format!("it has more than {KEYS_MAX} keys"));
    }
    let mut keys = HashMap::new();
    for key in document.keys {
        let Ok(key) = serde_json::from_value::<Jwk>(key) else {
            continue;
        };
        if is_for(&key, algorithm)
            && let Ok(read) = DecodingKey::from_jwk(&key)
        {
            keys.insert(key.common.key_id, Arc::new(read));
        }
    }
    match keys.is_empty() {
        true => Err(format!("it has no key for {algorithm:?}")),
        false => Ok(keys),
    }
}

fn is_for(key: &Jwk, algorithm: Algorithm) -> bool {
    let named = match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        // A secret is not published.
        _ => return false,
    };
    let shaped = match &key.algorithm {
        AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) => {
            algorithm == Algorithm::ES256 && curve.curve == EllipticCurve::P256
        }
        AlgorithmParameters::OctetKeyPair(pair) => {
            algorithm == Algorithm::EdDSA && pair.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let common = &key.common;
    let signs = common.public_key_use.as_ref();
    shaped
        && signs.is_none_or(|of| *of == PublicKeyUse::Signature)
        && common.key_algorithm.as_ref().is_none_or(|of| *of == named)
}

#[cfg(test)]
mod tests;
