//! The other way in: `Authorization: Bearer` with a JWT that somebody signed whom the configuration names. Which algorithm a
//! key is for is written there, never in the token. It must not know scopes' meaning, nor read a clock.

pub mod fetch;
pub mod keys;
pub mod written;

use std::sync::Arc;
use std::time::Duration;

use hongyan_courier::time::UnixMs;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::credentials;
use crate::auth::error::AuthError;
use keys::KeySet;

/// A longer token is none of those that are meant here.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Who signs tokens, and what their tokens must say.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: String,
    /// What `iss` must be; not looked at without.
    pub issuer: Option<String>,
    pub algorithm: Algorithm,
    pub audience: String,
    /// How far its clock and ours may be apart.
    pub leeway: Duration,
    /// For which clients it may sign; for all if there are none here.
    pub clients: Vec<String>,
    pub keys: Keys,
}

/// What its signatures are checked with.
pub enum Keys {
    /// Written in the configuration, newest first; for tokens of this `kid` alone, if there is one.
    Written {
        kid: Option<String>,
        keys: Vec<DecodingKey>,
    },
    /// Fetched from where the issuer publishes them.
    Fetched(Arc<KeySet>),
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Written { .. } => "Written(***)",
            Self::Fetched(_) => "Fetched(…)",
        })
    }
}

/// What a token says whose signature was right and whose time is now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The client.
    pub sub: String,
    aud: OneOrMany,
    exp: Seconds,
    nbf: Option<Seconds>,
    iss: Option<String>,
    /// Scopes between spaces. Words that are no scopes are passed over.
    #[serde(default)]
    pub scope: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// Seconds since 1970, which some write with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(i64);

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        // Far beyond any date, and far within what both types hold.
        if !(0.0..1e13).contains(&seconds) {
            return Err("not a time");
        }
        #[expect(clippy::cast_possible_truncation, reason = "it was compared")]
        Ok(Self(seconds as i64))
    }
}

/// All who sign tokens.
#[derive(Debug, Default)]
pub struct Issuers(pub Vec<Issuer>);

/// The token of a request, if it brings one. It may not be signed as well: two callers would be two truths.
pub fn token(parts: &Parts) -> Result<Option<&str>, AuthError> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let bearer = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = bearer else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(AuthError::Duplicated("Authorization"));
    }
    if credentials::are_there(&parts.headers) {
        return Err(AuthError::TwoWays);
    }
    Ok(Some(token))
}

impl Issuers {
    /// What a token says, if one of the issuers signed it for this gateway and for now. What is wrong with it is told only
    /// once its signature was right.
    pub async fn read(&self, token: &str, wall: UnixMs) -> Result<Claims, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::TokenRefused);
        }
        let header = decode_header(token).map_err(|_| AuthError::TokenRefused)?;
        // Extensions that must be understood are not, and a key that a token brings along proves nothing.
        if header.crit.is_some() || header.jwk.is_some() {
            return Err(AuthError::TokenRefused);
        }
        let kid = header.kid.as_deref();
        let mut told = AuthError::TokenRefused;
        for issuer in self.0.iter().filter(|one| one.algorithm == header.alg) {
            let Some(claims) = issuer.claims(token, kid).await else {
                continue;
            };
            let judged = claims.and_then(|claims| {
                issuer.judge(&claims, wall)?;
                Ok(claims)
            });
            match judged {
                Ok(claims) => return Ok(claims),
                Err(error) => told = error,
            }
        }
        Err(told)
    }

    /// The key sets that must be kept fresh.
    pub fn fetched(&self) -> impl Iterator<Item = &Arc<KeySet>> {
        self.0.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Fetched(set) => Some(set),
            Keys::Written { .. } => None,
        })
    }
}

impl Issuer {
    /// What a token says, if this issuer signed it.
    async fn claims(&self, token: &str, kid: Option<&str>) -> Option<Result<Claims, AuthError>> {
        match &self.keys {
            Keys::Written { kid: own, keys } => {
                if own.is_some() && own.as_deref() != kid {
                    return None;
                }
                keys.iter().find_map(|key| self.open(token, key))
            }
            Keys::Fetched(set) => self.open(token, &*set.find(kid).await?),
        }
    }

    fn open(&self, token: &str, key: &DecodingKey) -> Option<Result<Claims, AuthError>> {
        let mut validation = Validation::new(self.algorithm);
        // The times and names are judged here, by the gateway's own clock and one by one.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let data = decode::<Value>(token, key, &validation).ok()?;
        Some(Claims::deserialize(data.claims).map_err(|_| AuthError::TokenClaims))
    }

    fn judge(&self, claims: &Claims, wall: UnixMs) -> Result<(), AuthError> {
        let now = wall.0.div_euclid(1000);
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(0);
        if self.issuer.is_some() && self.issuer != claims.iss {
            return Err(AuthError::TokenIssuer);
        }
        if !claims.aud.has(&self.audience) {
            return Err(AuthError::TokenAudience);
        }
        if claims.exp.0 + leeway <= now {
            return Err(AuthError::TokenExpired {
                server_seconds: now,
            });
        }
        if claims.nbf.is_some_and(|begins| begins.0 - leeway > now) {
            return Err(AuthError::TokenEarly {
                server_seconds: now,
            });
        }
        let may_sign = self.clients.is_empty() || self.clients.contains(&claims.sub);
        if may_sign {
            Ok(())
        } else {
            Err(AuthError::TokenClient)
        }
    }
}

#[cfg(test)]
mod tests;
