//! `[[jwt]]`: who signs the tokens that clients may bring instead of a signature.
//! It must not know the value of a key, only its reference.

use std::time::Duration;

use http::Uri;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::config::accounts::refuse_literal;
use crate::config::duration;
use crate::config::list::OneOrMany;
use crate::config::names;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::secrets::reference::SecretRef;

const AUDIENCE_DEFAULT: &str = "hongyan";
const LEEWAY_DEFAULT: Duration = Duration::from_secs(30);
/// More would keep expired tokens alive rather than bear with clocks.
const LEEWAY_RANGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(120));
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

#[derive(Debug, Clone)]
pub struct Jwt {
    pub name: String,
    pub issuer: Option<String>,
    pub algorithm: Algorithm,
    pub keys: Keys,
    pub audience: String,
    pub leeway: Duration,
    /// For which clients it may sign; for all if there are none here.
    pub clients: Vec<String>,
}

#[derive(Debug, Clone)]
pub enum Keys {
    /// Newest first, at least one.
    Written {
        kid: Option<String>,
        keys: Vec<SecretRef>,
    },
    Fetched(Uri),
}

/// An issuer as it is written, before the checks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct JwtFile {
    name: Option<String>,
    algorithm: Option<String>,
    keys: OneOrMany<SecretRef>,
    kid: Option<String>,
    jwks_url: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    #[serde(deserialize_with = "duration::deserialize_option")]
    leeway: Option<Duration>,
    clients: OneOrMany<String>,
}

impl JwtFile {
    /// `None` where a key is missing without which there is no issuer; that is reported.
    pub fn finish(self, key: &str, profile: Profile, findings: &mut Findings) -> Option<Jwt> {
        let name = names::require(self.name, &format!("{key}.name"), findings);
        let algorithm = algorithm(self.algorithm.as_deref(), key, findings);
        if self.keys.0.iter().any(SecretRef::is_literal) && algorithm == Some(Algorithm::HS256) {
            refuse_literal(&format!("{key}.keys"), profile, findings);
        }
        let keys = match (self.keys.0, self.jwks_url) {
            (keys, None) if !keys.is_empty() => Some(Keys::Written {
                kid: self.kid,
                keys,
            }),
            (keys, Some(url)) if keys.is_empty() => {
                if algorithm == Some(Algorithm::HS256) {
                    let text =
                        "has no meaning for HS256: a shared secret is not published; give keys";
                    findings.problem(format!("{key}.jwks_url"), text);
                }
                if self.kid.is_some() {
                    let text = "has no meaning beside jwks_url: the keys that are found there have their own";
                    findings.problem(format!("{key}.kid"), text);
                }
                address(&url, &format!("{key}.jwks_url"), profile, findings).map(Keys::Fetched)
            }
            _ => {
                let text = "is what signatures are checked with; give either keys or jwks_url";
                findings.problem(format!("{key}.keys"), text);
                None
            }
        };
        let leeway = self.leeway.unwrap_or(LEEWAY_DEFAULT);
        let leeway_key = format!("{key}.leeway");
        findings.require_range(&leeway_key, leeway, LEEWAY_RANGE, duration::show);
        Some(Jwt {
            name: name?,
            issuer: self.issuer,
            algorithm: algorithm?,
            keys: keys?,
            audience: self.audience.unwrap_or_else(|| AUDIENCE_DEFAULT.to_owned()),
            leeway,
            clients: self.clients.0,
        })
    }
}

impl Jwt {
    /// Checks it against the names of the clients that there are.
    pub fn check(&self, clients: &[&str], findings: &mut Findings) {
        for client in &self.clients {
            if !clients.contains(&client.as_str()) {
                let text = format!("there is no client called {client}");
                findings.problem(format!("jwt[{}].clients", self.name), text);
            }
        }
    }
}

fn algorithm(word: Option<&str>, key: &str, findings: &mut Findings) -> Option<Algorithm> {
    let known = ALGORITHMS.iter().find(|(name, _)| Some(*name) == word);
    if known.is_none() {
        let text = match word {
            None => {
                "is missing: it is fixed for these keys, whatever a token says; HS256, RS256, ES256 or EdDSA"
            }
            Some(_) => "must be HS256, RS256, ES256 or EdDSA",
        };
        findings.problem(format!("{key}.algorithm"), text);
    }
    known.map(|(_, algorithm)| *algorithm)
}

fn address(text: &str, key: &str, profile: Profile, findings: &mut Findings) -> Option<Uri> {
    let uri: Option<Uri> = text.parse().ok();
    let uri = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    match uri.as_ref().and_then(Uri::scheme_str) {
        Some("https") => uri,
        Some("http") if profile == Profile::Dev => uri,
        Some("http") => {
            findings.problem(
                key,
                "is http://, over which anybody on the way could put in keys; use https://",
            );
            None
        }
        _ => {
            findings.problem(
                key,
                "must be an address such as https://login.example.com/jwks.json",
            );
            None
        }
    }
}
