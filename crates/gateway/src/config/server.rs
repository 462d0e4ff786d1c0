//! `[server]`: where the gateway listens and how long it takes to stop.
//! It must not know what is served there.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use crate::config::accounts::refuse_literal;
use crate::config::duration;
use crate::config::problem::Findings;
use crate::config::profile::Profile;
use crate::network::Network;
use crate::secrets::reference::SecretRef;

#[derive(Debug, Clone, Deserialize)]
pub struct Server {
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Health and metrics; `None` means on `listen`.
    #[serde(default, deserialize_with = "optional_address")]
    pub ops_listen: Option<SocketAddr>,
    /// The most connections at a time.
    pub connections: usize,
    /// Whose word on where a request comes from is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<Network>,
    /// With what `listen` speaks HTTPS; without, it speaks HTTP.
    #[serde(default)]
    pub tls: Option<Tls>,
    #[serde(deserialize_with = "duration::deserialize")]
    pub shutdown_timeout: Duration,
}

/// A certificate with those that vouch for it, and its key; both in PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: SecretRef,
    pub key: SecretRef,
}

impl Server {
    pub fn check(&self, profile: Profile, findings: &mut Findings) {
        let listeners = [
            ("server.listen", Some(self.listen)),
            ("server.ops_listen", self.ops_listen),
        ];
        for (key, address) in listeners
            .into_iter()
            .filter_map(|(key, address)| Some((key, address?)))
        {
            if profile == Profile::Dev && !address.ip().to_canonical().is_loopback() {
                let text = format!(
                    "{address} is reachable from outside, and dev listens on loopback alone; \
                     use 127.0.0.1 or set HONGYAN_PROFILE to staging or prod"
                );
                findings.problem(key, text);
            }
        }
        if profile == Profile::Prod && self.ops_listen.is_none() {
            let text = "is required in prod; give health and metrics an address of their own, such as 127.0.0.1:9090";
            findings.problem("server.ops_listen", text);
        }
        findings.require_range(
            "server.connections",
            self.connections,
            (1, 1_000_000),
            |count| count.to_string(),
        );
        if self.tls.as_ref().is_some_and(|tls| tls.key.is_literal()) {
            refuse_literal("server.tls.key", profile, findings);
        }
        let range = (Duration::from_secs(1), Duration::from_secs(600));
        findings.require_range(
            "server.shutdown_timeout",
            self.shutdown_timeout,
            range,
            duration::show,
        );
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        D::Error::custom(format!(
            "{text:?} is not an IP address with a port; write it as \"127.0.0.1:8080\""
        ))
    })
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let read = |text: String| text.parse().map_err(D::Error::custom);
    texts.into_iter().map(read).collect()
}

fn optional_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}
