//! `[age]`, `[vault]`, `[kms]`, `[nacos]` and `[consul]`: how the places are reached that secrets are kept in.
//! It must not reach any, and knows their own credentials by reference alone.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

use crate::config::accounts::refuse_literal;
use crate::config::duration;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::config::resolved::fingerprint;
use crate::config::tree;
use crate::secrets::reference::{Scheme, SecretRef};

#[derive(Debug, Clone, Deserialize)]
pub struct Age {
    /// The key that secrets were encrypted to, as `age-keygen` writes it.
    #[serde(default)]
    pub identity: Option<SecretRef>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Vault {
    pub address: String,
    #[serde(default)]
    pub token: Option<SecretRef>,
    #[serde(default)]
    pub namespace: Option<String>,
    /// PEM; only certificates that one of these signed are trusted.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    #[serde(deserialize_with = "duration::deserialize")]
    pub poll_interval: Duration,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Kms {
    /// That of AWS in the region, where there is none.
    #[serde(default)]
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: SecretRef,
    pub secret_access_key: SecretRef,
    #[serde(default)]
    pub session_token: Option<SecretRef>,
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Nacos {
    pub address: String,
    /// Its id; empty for the public one.
    pub namespace: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<SecretRef>,
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Consul {
    pub address: String,
    #[serde(default)]
    pub token: Option<SecretRef>,
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct SecretSources {
    pub age: Age,
    pub vault: Vault,
    pub kms: Kms,
    pub nacos: Nacos,
    pub consul: Consul,
}

impl Kms {
    pub fn endpoint(&self) -> String {
        let of_aws = || format!("https://kms.{}.amazonaws.com", self.region);
        self.endpoint.clone().unwrap_or_else(of_aws)
    }
}

impl SecretSources {
    /// The sections of these.
    pub const SECTIONS: [&str; 5] = ["age", "vault", "kms", "nacos", "consul"];

    pub fn read(table: &toml::Table, findings: &mut Findings) -> Self {
        Self {
            age: tree::section("age", table, findings),
            vault: tree::section("vault", table, findings),
            kms: tree::section("kms", table, findings),
            nacos: tree::section("nacos", table, findings),
            consul: tree::section("consul", table, findings),
        }
    }

    /// What opens each place, by its key.
    fn credentials(&self) -> [(&'static str, Option<&SecretRef>); 7] {
        [
            ("age.identity", self.age.identity.as_ref()),
            ("vault.token", self.vault.token.as_ref()),
            ("kms.access_key_id", Some(&self.kms.access_key_id)),
            ("kms.secret_access_key", Some(&self.kms.secret_access_key)),
            ("kms.session_token", self.kms.session_token.as_ref()),
            ("nacos.password", self.nacos.password.as_ref()),
            ("consul.token", self.consul.token.as_ref()),
        ]
    }

    /// How the places are reached: while it is the same, so is that. Of secrets that are written out it has a hash.
    #[must_use]
    pub fn description(&self) -> String {
        let credentials = self.credentials().into_iter();
        let literals = credentials.filter_map(|(_, credential)| match credential? {
            SecretRef::Literal(value) => Some(value),
            SecretRef::Kept { .. } => None,
        });
        format!("{self:?} {}", fingerprint(literals))
    }

    pub fn check(&self, profile: Profile, findings: &mut Findings) {
        for (key, address) in [
            ("vault.address", &self.vault.address),
            ("nacos.address", &self.nacos.address),
            ("consul.address", &self.consul.address),
            ("kms.endpoint", &self.kms.endpoint()),
        ] {
            if let Err(text) = check_address(address, profile) {
                findings.problem(key, text);
            }
        }
        for (key, credential) in self.credentials() {
            match credential {
                Some(SecretRef::Literal(_)) => refuse_literal(key, profile, findings),
                Some(SecretRef::Kept {
                    scheme: Scheme::Env | Scheme::File,
                    ..
                })
                | None => {}
                Some(_) => {
                    let text =
                        "opens the place of other secrets, so it must be env:NAME or file:PATH";
                    findings.problem(key, text);
                }
            }
        }
        if self.nacos.username.is_some() != self.nacos.password.is_some() {
            let text = "and nacos.password go together; set both or none";
            findings.problem("nacos.username", text);
        }
        let range = (Duration::from_secs(1), Duration::from_secs(3_600));
        let key = "vault.poll_interval";
        findings.require_range(key, self.vault.poll_interval, range, duration::show);
    }
}

/// What does not leave the machine needs no encryption.
fn check_address(address: &str, profile: Profile) -> Result<(), String> {
    let shape = || "is not an address such as https://127.0.0.1:8200".to_owned();
    let uri: Uri = address.parse().map_err(|_| shape())?;
    let host = uri.host().ok_or_else(shape)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if here || profile == Profile::Dev => Ok(()),
        Some("http") => Err(format!(
            "would send secrets in the clear; http:// beyond this machine is for dev alone, not {profile}"
        )),
        _ => Err(shape()),
    }
}
