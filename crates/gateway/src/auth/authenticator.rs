//! The check of a signed request, whole: headers, time, signature, replay; and of one that brings a token.
//! It must not know which scope a route asks for, nor keep the nonces of writes: the caller stores those.

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::port::Nonce;
use hongyan_courier::time::UnixMs;
use http::request::Parts;

use crate::auth::bearer::Issuers;
use crate::auth::bearer::keys::KeySet;
use crate::auth::canonical::{self, Canonical};
use crate::auth::client::{Clients, Identity};
use crate::auth::credentials::{Credentials, SKEW_SECONDS};
use crate::auth::error::AuthError;
use crate::auth::nonces::SeenNonces;
use crate::auth::scope::ScopeSet;
use crate::auth::signature::{self, BodyHash};
use crate::clock::remember_until;

const SKEW: Duration = Duration::from_secs(SKEW_SECONDS.unsigned_abs());

#[derive(Debug)]
pub struct Authenticator {
    clients: Clients,
    issuers: Issuers,
    seen: Arc<SeenNonces>,
}

impl Authenticator {
    /// For these clients. `seen` are the nonces that this process saw, whatever clients there were.
    pub fn new(clients: Clients, issuers: Issuers, seen: Arc<SeenNonces>) -> Self {
        Self {
            clients,
            issuers,
            seen,
        }
    }

    /// For a request that changes nothing. `now` is the wall clock's time, which callers share.
    pub fn read(&self, parts: &Parts, body: &[u8], now: UnixMs) -> Result<Identity, AuthError> {
        let (identity, credentials) = self.verify(parts, body, now)?;
        if self.seen.first_sight(&identity.client, credentials.nonce) {
            Ok(identity)
        } else {
            Err(AuthError::Replayed)
        }
    }

    /// For a request that changes something. The nonce must be stored in the transaction that makes the change, and
    /// the change refused as `Replayed` if it was there.
    pub fn write(
        &self,
        parts: &Parts,
        body: &[u8],
        wall: UnixMs,
    ) -> Result<(Identity, Nonce), AuthError> {
        let (identity, credentials) = self.verify(parts, body, wall)?;
        if self.seen.knows(&identity.client, credentials.nonce) {
            return Err(AuthError::Replayed);
        }
        let signed_at = UnixMs(credentials.timestamp_seconds * 1000);
        let nonce = Nonce {
            owner: identity.client.to_string(),
            nonce: credentials.nonce.to_owned(),
            expires_at: remember_until(signed_at, SKEW),
            body: None,
            act: None,
        };
        Ok((identity, nonce))
    }

    /// A write was refused or changed nothing, so its nonce was stored with no change: it is worth nothing all the same.
    pub fn refused(&self, nonce: &Nonce) {
        self.seen.first_sight(&nonce.owner, &nonce.nonce);
    }

    /// For a request with a token: the client that it names, with what both the token and the configuration let it do.
    pub async fn bearer(&self, token: &str, wall: UnixMs) -> Result<Identity, AuthError> {
        let claims = self.issuers.read(token, wall).await?;
        let client = self.clients.find(&claims.sub).0;
        let identity = &client.ok_or(AuthError::TokenClient)?.identity;
        let told = claims.scope.split_ascii_whitespace();
        let told: ScopeSet = told.filter_map(|word| word.parse().ok()).collect();
        Ok(Identity {
            scopes: identity.scopes.and(told),
            ..identity.clone()
        })
    }

    /// The key sets that must be kept fresh.
    pub fn key_sets(&self) -> Vec<Arc<KeySet>> {
        self.issuers.fetched().cloned().collect()
    }

    /// Whether the head of a request is one of a signed request of now, so that the body of another need not be read.
    /// Answers what it says of itself, of which nothing is true yet.
    pub fn look<'a>(&self, parts: &'a Parts, now: UnixMs) -> Result<Credentials<'a>, AuthError> {
        let credentials = Credentials::from_headers(&parts.headers)?;
        if (now.0 - credentials.timestamp_seconds * 1000).abs() > SKEW_SECONDS * 1000 {
            return Err(AuthError::Stale {
                server_seconds: now.0.div_euclid(1000),
            });
        }
        Ok(credentials)
    }

    fn verify<'a>(
        &self,
        parts: &'a Parts,
        body: &[u8],
        now: UnixMs,
    ) -> Result<(Identity, Credentials<'a>), AuthError> {
        let credentials = self.look(parts, now)?;
        let query = match parts.uri.query() {
            None => String::new(),
            Some(raw) => canonical::query(raw).map_err(|_| AuthError::QueryNotUtf8)?,
        };
        let hash = BodyHash::of(body);
        let request = Canonical {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: &query,
            timestamp: credentials.timestamp,
            nonce: credentials.nonce,
            body_sha256: hash.as_str(),
        };
        let (client, keys) = self.clients.find(credentials.client);
        let matches = signature::verify(keys, &request, &credentials.signature);
        match client {
            Some(client) if matches => Ok((client.identity.clone(), credentials)),
            _ => Err(AuthError::Refused),
        }
    }
}

#[cfg(test)]
mod tests;
