//! The sources of secrets that a configuration's references name, made ready.
//! It must not read a secret.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::environment::Environment;
use crate::config::problem::{Findings, Problems};
use crate::config::profile::Profile;
use crate::config::resolved::references;
use crate::secrets::SecretSource;
#[cfg(feature = "age")]
use crate::secrets::age::Age;
use crate::secrets::consul::Consul;
use crate::secrets::http::Server;
use crate::secrets::keyring::Keyring;
use crate::secrets::kms::{Envelopes, Kms};
use crate::secrets::nacos::Nacos;
use crate::secrets::reference::{Scheme, SecretRef};
use crate::secrets::sealed::Sealed;
use crate::secrets::vault::Vault;

/// Sources for all references of a configuration.
pub fn keyring(config: &Config, environment: &Environment) -> Result<Keyring, Problems> {
    let near = near(config, environment);
    let mut findings = Findings::default();
    let mut keyring = near.clone();
    for scheme in schemes(config) {
        match source(scheme, config, &near) {
            Ok(Some(source)) => keyring.add(scheme, source),
            Ok(None) => {}
            Err(text) => findings.problem(scheme.as_str(), text),
        }
    }
    if findings.problems.is_empty() {
        Ok(keyring)
    } else {
        Err(Problems(findings.problems))
    }
}

/// The environment and files alone.
pub fn near(config: &Config, environment: &Environment) -> Keyring {
    Keyring::local(environment, config.profile == Profile::Prod)
}

/// What decides how the sources are reached: while it is the same, they go on as they are.
pub fn description(config: &Config) -> String {
    format!("{:?} {:?}", schemes(config), config.secret_sources)
}

/// A KMS as it is configured.
pub fn kms(config: &Config, near: &Keyring) -> Result<Kms, String> {
    let of = &config.secret_sources.kms;
    Ok(Kms {
        server: Server::new(&of.endpoint(), of.ca.as_deref())?,
        region: of.region.clone(),
        access_key_id: near.credential(of.access_key_id.clone()),
        secret_access_key: near.credential(of.secret_access_key.clone()),
        session_token: of.session_token.clone().map(|token| near.credential(token)),
        now: wall,
    })
}

fn schemes(config: &Config) -> BTreeSet<Scheme> {
    let all = references(config).into_iter();
    let kept = all.filter_map(|reference| match reference {
        SecretRef::Kept { scheme, .. } => Some(scheme),
        SecretRef::Literal(_) => None,
    });
    kept.collect()
}

fn source(
    scheme: Scheme,
    config: &Config,
    near: &Keyring,
) -> Result<Option<Arc<dyn SecretSource>>, String> {
    let of = &config.secret_sources;
    let credential = |reference: &Option<SecretRef>| {
        let reference = reference.clone();
        reference.map(|reference| near.credential(reference))
    };
    let source: Arc<dyn SecretSource> = match scheme {
        Scheme::Env | Scheme::File => return Ok(None),
        #[cfg(feature = "age")]
        Scheme::Age => Arc::new(Age::new(
            Sealed(near.clone()),
            credential(&of.age.identity),
        )),
        #[cfg(not(feature = "age"))]
        Scheme::Age => return Err(left_out(scheme)),
        Scheme::Vault => Arc::new(Vault::new(
            Server::new(&of.vault.address, of.vault.ca.as_deref())?,
            credential(&of.vault.token),
            of.vault.namespace.clone(),
            of.vault.poll_interval,
        )),
        Scheme::Kms => Arc::new(Envelopes {
            kms: kms(config, near)?,
            sealed: Sealed(near.clone()),
        }),
        Scheme::Nacos => Arc::new(Nacos::new(
            Server::new(&of.nacos.address, of.nacos.ca.as_deref())?,
            of.nacos.namespace.clone(),
            of.nacos
                .username
                .clone()
                .zip(credential(&of.nacos.password)),
        )),
        Scheme::Consul => Arc::new(Consul::new(
            Server::new(&of.consul.address, of.consul.ca.as_deref())?,
            credential(&of.consul.token),
        )),
    };
    Ok(Some(source))
}

#[cfg(not(feature = "age"))]
fn left_out(scheme: Scheme) -> String {
    let scheme = scheme.as_str();
    format!("references need the cargo feature `{scheme}`, which this program was built without")
}

fn wall() -> Timestamp {
    let wall = SystemClock::new().wall();
    Timestamp::from_millisecond(wall.0).unwrap_or_default()
}
