//! Who may call, as the configuration says: clients that sign, and issuers whose tokens they may bring instead.

use std::sync::Arc;

use hongyan_courier::port::limiter;
use jsonwebtoken::DecodingKey;

use crate::auth::authenticator::Authenticator;
use crate::auth::bearer::fetch::Https;
use crate::auth::bearer::keys::KeySet;
use crate::auth::bearer::{Issuer, Issuers, Keys};
use crate::auth::client::Clients;
use crate::config::jwt::{self, Jwt};
use crate::config::resolved::Secrets;
use crate::config::{self, Config};
use crate::limits::governor::GovernorLimiter;
use crate::limits::{Allowances, Limits};
use crate::listen::{House, Patience};
use crate::tls::Live;

/// What is taken from whom.
pub(super) fn limits(config: &Config) -> Arc<Limits> {
    let own = |limit: Option<config::limits::Allowance>| limit.map(limiter::Allowance::from);
    let clients = config.clients.iter();
    let accounts = config.accounts.iter();
    let allowances = Allowances {
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
    };
    let trusted = config.server.trusted_proxies.clone();
    let limiter = Arc::new(GovernorLimiter::default());
    Arc::new(Limits::new(allowances, trusted, limiter))
}

/// How callers are let in at the main listener.
pub(super) fn house(config: &Config, tls: Option<&Arc<Live>>) -> anyhow::Result<House> {
    Ok(House {
        patience: Patience::default(),
        connections: config.server.connections,
        tls: tls.map(Live::acceptor).transpose()?,
    })
}

pub(super) fn authenticator(
    issuers: &[Jwt],
    secrets: &mut Secrets,
) -> anyhow::Result<Authenticator> {
    let keys = std::mem::take(&mut secrets.jwt);
    let issuers = issuers.iter().zip(keys);
    let issuers = issuers.map(|(one, keys)| issuer(one, keys));
    Ok(Authenticator::new(
        Clients::new(&secrets.clients),
        Issuers(issuers.collect::<anyhow::Result<_>>()?),
    ))
}

fn issuer(configured: &Jwt, written: Vec<DecodingKey>) -> anyhow::Result<Issuer> {
    let keys = match &configured.keys {
        jwt::Keys::Written { kid, .. } => Keys::Written {
            kid: kid.clone(),
            keys: written,
        },
        jwt::Keys::Fetched(url) => {
            let source = Arc::new(Https::new(url.clone())?);
            let set = KeySet::new(configured.name.clone(), configured.algorithm, source);
            Keys::Fetched(Arc::new(set))
        }
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
