//! Who may call, as the configuration says: clients that sign, issuers whose tokens they may bring instead, and SDKs that
//! bring a token of ours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hongyan_courier::port::limiter;
use http::Uri;
use jsonwebtoken::DecodingKey;

use super::Core;
use crate::api::clients::ClientTokens;
use crate::api::messages::send::Intake;
use crate::auth::authenticator::Authenticator;
use crate::auth::bearer::fetch::Https;
use crate::auth::bearer::keys::KeySet;
use crate::auth::bearer::{Issuer, Issuers, Keys};
use crate::auth::client::Clients;
use crate::compat::Compat;
use crate::config::jwt::{self, Jwt};
use crate::config::resolved::Secrets;
use crate::config::{self, Config};
use crate::limits::governor::GovernorLimiter;
use crate::limits::{Allowances, Limits};
use crate::listen::{House, Patience};
use crate::tls::Live;

/// What is taken from whom.
pub(super) fn limits(config: &Config) -> Arc<Limits> {
    let trusted = config.server.trusted_proxies.clone();
    let limiter = Arc::new(GovernorLimiter::default());
    Arc::new(Limits::new(allowances(config), trusted, limiter))
}

pub(super) fn allowances(config: &Config) -> Allowances {
    let own = |limit: Option<config::limits::Allowance>| limit.map(limiter::Allowance::from);
    let clients = config.clients.iter();
    let accounts = config.accounts.iter();
    Allowances {
        ip: own(config.limits.ip),
        failures: Some(config.limits.failures.into()),
        client: own(config.limits.client),
        clients: clients
            .filter_map(|client| Some((client.id.clone(), own(client.limit)?)))
            .collect(),
        account: own(config.limits.account),
        accounts: accounts
            .filter_map(|account| Some((account.name.clone(), own(account.limit)?)))
            .collect(),
    }
}

/// How callers are let in at the main listener.
pub(super) fn house(config: &Config, tls: Option<&Arc<Live>>) -> anyhow::Result<House> {
    Ok(House {
        patience: Patience::default(),
        connections: config.server.connections,
        tls: tls.map(Live::acceptor).transpose()?,
    })
}

/// The door of WeChat's own calls.
pub(super) fn compat(
    core: &Core,
    config: &Config,
    secrets: &Secrets,
    intake: Arc<Intake>,
) -> anyhow::Result<Compat> {
    Ok(Compat {
        clients: Clients::new(&secrets.clients),
        accounts: core.accounts.load_full(),
        tokens: core.virtual_tokens.clone(),
        limits: core.limits.clone(),
        intake,
        upstream: core.upstream.clone(),
        keeper: core.keeper.clone(),
        quotas: core.quotas.clone(),
        book: core.book.clone(),
        audit: core.store.clone(),
        clock: core.clock.clone(),
        body_bytes_max: usize::try_from(config.limits.body_bytes)?,
    })
}

pub(super) fn client_tokens(core: &Core, config: &Config) -> ClientTokens {
    ClientTokens {
        clients: config
            .clients
            .iter()
            .map(|client| client.id.clone())
            .collect(),
        accounts: core.accounts.load_full(),
        tokens: core.virtual_tokens.clone(),
    }
}

/// The key sets of issuers, kept from one configuration to the next: what was fetched is not fetched anew.
#[derive(Default)]
pub(super) struct KeySets(Mutex<HashMap<String, Arc<KeySet>>>);

impl KeySets {
    fn of(&self, configured: &Jwt, url: &Uri) -> anyhow::Result<Arc<KeySet>> {
        let (name, algorithm) = (&configured.name, configured.algorithm);
        let key = format!("{name} {algorithm:?} {url}");
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.get(&key) {
            return Ok(Arc::clone(set));
        }
        let source = Arc::new(Https::new(url.clone())?);
        let set = Arc::new(KeySet::new(name.clone(), algorithm, source));
        known.insert(key, Arc::clone(&set));
        Ok(set)
    }
}

pub(super) fn authenticator(
    core: &Core,
    issuers: &[Jwt],
    secrets: &mut Secrets,
) -> anyhow::Result<Authenticator> {
    let keys = std::mem::take(&mut secrets.jwt);
    let issuers = issuers.iter().zip(keys);
    let issuers = issuers.map(|(one, keys)| issuer(core, one, keys));
    Ok(Authenticator::new(
        Clients::new(&secrets.clients),
        Issuers(issuers.collect::<anyhow::Result<_>>()?),
        core.seen.clone(),
    ))
}

fn issuer(core: &Core, configured: &Jwt, written: Vec<DecodingKey>) -> anyhow::Result<Issuer> {
    let keys = match &configured.keys {
        jwt::Keys::Written { kid, .. } => Keys::Written {
            kid: kid.clone(),
            keys: written,
        },
        jwt::Keys::Fetched(url) => Keys::Fetched(core.key_sets.of(configured, url)?),
    };
    Ok(Issuer {
        name: configured.name.clone(),
        issuer: configured.issuer.clone(),
        algorithm: configured.algorithm,
        audience: configured.audience.clone(),
        leeway: configured.leeway,
        clients: configured.clients.clone(),
        keys,
    })
}
