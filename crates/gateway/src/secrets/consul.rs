//! `consul:PATH` or `consul:PATH#FIELD`: a key of Consul's key-value store, watched by blocking queries.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::http::{Answer, PATIENCE, Server};
use super::keyring::Credential;
use super::outage::Outage;
use super::seen::Seen;
use super::{Fault, SecretSource, field};

/// How long a query may block. Consul adds up to a sixteenth of it.
const BLOCK: Duration = Duration::from_secs(55);
/// The pause after a query that failed.
const PAUSE: Duration = Duration::from_secs(5);

pub struct Consul {
    server: Server,
    token: Option<Credential>,
    /// The index and the mark of what was read last, by path.
    seen: Seen<(u64, [u8; 32])>,
    outage: Outage,
}

impl Consul {
    #[must_use]
    pub fn new(server: Server, token: Option<Credential>) -> Self {
        Self {
            server,
            token,
            seen: Seen::default(),
            outage: Outage::new("consul"),
        }
    }

    async fn get(&self, path: &str, block: Option<u64>) -> Result<Answer, Fault> {
        let path = path.trim_start_matches('/');
        let (query, patience) = match block {
            Some(index) => (
                format!("&index={index}&wait={}s", BLOCK.as_secs()),
                BLOCK + BLOCK / 8 + PATIENCE,
            ),
            None => (String::new(), PATIENCE),
        };
        let mut request = Request::get(format!("/v1/kv/{path}?raw{query}"));
        if let Some(token) = &self.token {
            request = request.header("X-Consul-Token", token.get().await?.expose_secret());
        }
        let request = request
            .body(Bytes::new())
            .map_err(|_| Fault::Wrong("is not a path of Consul".to_owned()))?;
        let answer = self.server.ask(request, patience).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(answer),
            _ => found(answer),
        }
    }
}

fn found(answer: Answer) -> Result<Answer, Fault> {
    answer.found("with this token")
}

/// A hash of what is there, or that nothing is.
fn mark(answer: &Answer) -> [u8; 32] {
    match answer.status {
        StatusCode::NOT_FOUND => [0; 32],
        _ => Sha256::digest(&*answer.body).into(),
    }
}

/// Never 0, with which a query would not block.
fn index(answer: &Answer) -> u64 {
    let header = answer.headers.get("X-Consul-Index");
    let index = header.and_then(|value| value.to_str().ok()?.parse().ok());
    index.unwrap_or(0).max(1)
}

#[async_trait]
impl SecretSource for Consul {
    async fn read(&self, place: &str) -> Result<SecretString, Fault> {
        let (path, name) = field::split(place);
        let answer = self.get(path, None).await?;
        self.seen.note(path, (index(&answer), mark(&answer)));
        field::pick(&found(answer)?.body, name)
    }

    async fn changed(&self, place: &str) {
        let (path, _) = field::split(place);
        let (mut newest, seen) = self.seen.last(path).await;
        loop {
            let asked = self.get(path, Some(newest)).await;
            self.outage.note(&asked);
            match asked {
                Ok(answer) if mark(&answer) != seen => return,
                // It is an older one than was asked with where Consul began to count anew.
                Ok(answer) => newest = index(&answer),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
