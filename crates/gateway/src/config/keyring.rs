//! The sources of secrets that a configuration's references name, made ready.
//! It must not read a secret.

use std::collections::BTreeSet;
use std::sync::Arc;

#[cfg(feature = "kms")]
use jiff::Timestamp;

#[cfg(feature = "kms")]
use crate::clock::SystemClock;
use crate::config::Config;
use crate::config::environment::Environment;
use crate::config::problem::{Findings, Problems};
use crate::config::profile::Profile;
use crate::config::resolved::references;
use crate::config::secret_sources::SecretSources;
use crate::secrets::SecretSource;
#[cfg(feature = "age")]
use crate::secrets::age::Age;
#[cfg(feature = "consul")]
use crate::secrets::consul::Consul;
#[cfg(any(
    feature = "vault",
    feature = "kms",
    feature = "nacos",
    feature = "consul"
))]
use crate::secrets::http::Server;
use crate::secrets::keyring::Keyring;
#[cfg(feature = "kms")]
use crate::secrets::kms::{Envelopes, Kms};
#[cfg(feature = "nacos")]
use crate::secrets::nacos::Nacos;
use crate::secrets::reference::{Scheme, SecretRef};
#[cfg(any(feature = "age", feature = "kms"))]
use crate::secrets::sealed::Sealed;
#[cfg(feature = "vault")]
use crate::secrets::vault::Vault;

/// Sources for all references of a configuration.
pub fn keyring(config: &Config, environment: &Environment) -> Result<Keyring, Problems> {
    let near = near(config.profile, environment);
    with(near, schemes(&references(config)), &config.secret_sources)
}

/// These sources beside the near ones.
pub fn with(
    near: Keyring,
    schemes: BTreeSet<Scheme>,
    of: &SecretSources,
) -> Result<Keyring, Problems> {
    let mut findings = Findings::default();
    let mut keyring = near.clone();
    for scheme in schemes {
        match source(scheme, of, &near) {
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
pub fn near(profile: Profile, environment: &Environment) -> Keyring {
    Keyring::local(environment, profile == Profile::Prod)
}

/// What decides how the sources are reached: while it is the same, they go on as they are.
pub fn description(config: &Config) -> String {
    let schemes = schemes(&references(config));
    let described = config.secret_sources.description();
    format!("{schemes:?} {described}")
}

/// A KMS as it is configured.
#[cfg(feature = "kms")]
pub fn kms(of: &SecretSources, near: &Keyring) -> Result<Kms, String> {
    let of = &of.kms;
    Ok(Kms {
        server: Server::new(&of.endpoint(), of.ca.as_deref())?,
        region: of.region.clone(),
        access_key_id: near.credential(of.access_key_id.clone()),
        secret_access_key: near.credential(of.secret_access_key.clone()),
        session_token: of.session_token.clone().map(|token| near.credential(token)),
        now: wall,
    })
}

/// What kinds of places references name.
pub fn schemes(references: &[SecretRef]) -> BTreeSet<Scheme> {
    let kept = references.iter().filter_map(|reference| match reference {
        SecretRef::Kept { scheme, .. } => Some(*scheme),
        SecretRef::Literal(_) => None,
    });
    kept.collect()
}

/// The source of a scheme. Those of the environment and of files are in every keyring.
#[cfg_attr(
    not(any(
        feature = "age",
        feature = "vault",
        feature = "kms",
        feature = "nacos",
        feature = "consul"
    )),
    expect(
        unused_variables,
        reason = "without any of them there is nothing to make"
    )
)]
fn source(
    scheme: Scheme,
    of: &SecretSources,
    near: &Keyring,
) -> Result<Option<Arc<dyn SecretSource>>, String> {
    match scheme {
        Scheme::Env | Scheme::File => Ok(None),
        #[cfg(feature = "age")]
        Scheme::Age => {
            let identity = of.age.identity.clone();
            let identity = identity.map(|identity| near.credential(identity));
            let sealed = Sealed(near.clone());
            Ok(Some(Arc::new(Age::new(sealed, identity))))
        }
        #[cfg(feature = "vault")]
        Scheme::Vault => {
            let token = of.vault.token.clone();
            Ok(Some(Arc::new(Vault::new(
                Server::new(&of.vault.address, of.vault.ca.as_deref())?,
                token.map(|token| near.credential(token)),
                of.vault.namespace.clone(),
                of.vault.poll_interval,
            ))))
        }
        #[cfg(feature = "kms")]
        Scheme::Kms => Ok(Some(Arc::new(Envelopes {
            kms: kms(of, near)?,
            sealed: Sealed(near.clone()),
        }))),
        #[cfg(feature = "nacos")]
        Scheme::Nacos => {
            let password = of.nacos.password.clone();
            let password = password.map(|password| near.credential(password));
            Ok(Some(Arc::new(Nacos::new(
                Server::new(&of.nacos.address, of.nacos.ca.as_deref())?,
                of.nacos.namespace.clone(),
                of.nacos.username.clone().zip(password),
            ))))
        }
        #[cfg(feature = "consul")]
        Scheme::Consul => {
            let token = of.consul.token.clone();
            Ok(Some(Arc::new(Consul::new(
                Server::new(&of.consul.address, of.consul.ca.as_deref())?,
                token.map(|token| near.credential(token)),
            ))))
        }
        #[cfg(not(all(
            feature = "age",
            feature = "vault",
            feature = "kms",
            feature = "nacos",
            feature = "consul"
        )))]
        left_out => {
            let feature = left_out.as_str();
            Err(format!(
                "references need the cargo feature `{feature}`, which this program was built without"
            ))
        }
    }
}

#[cfg(feature = "kms")]
fn wall() -> Timestamp {
    let wall = SystemClock::new().wall();
    Timestamp::from_millisecond(wall.0).unwrap_or_default()
}

#[cfg(all(test, not(feature = "vault")))]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_left_out_is_refused_by_its_name() {
        let mut findings = Findings::default();
        let sources = SecretSources::read(&crate::config::layers::defaults(), &mut findings);
        let near = near(Profile::Dev, &Environment::new());
        let refused = with(near, BTreeSet::from([Scheme::Vault]), &sources);
        let said = refused.err().unwrap().to_string();
        assert_eq!(
            said,
            "configuration: vault: references need the cargo feature `vault`, which this program was built without"
        );
    }
}
