//! What a new configuration changes: compared as they are written, and by hashes of the secrets behind it. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::resolved::{AccountSecrets, Secrets, fingerprint};
use crate::webhook::sign::signature;

/// A section that waits for a start when its secrets alone change, too.
const WEBHOOKS: &str = "webhooks";

/// What a new configuration changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Accounts with other settings or secrets.
    pub changed: Vec<String>,
    /// Whether clients, their secrets or other lists are different.
    pub clients: bool,
    /// Whether users who left are remembered for another time.
    pub recipients: bool,
    /// Whether the listener shows another certificate.
    pub certificate: bool,
    /// Sections that are different and are read at a start alone.
    pub waiting: Vec<&'static str>,
}

impl Changes {
    /// Whether it was the same configuration with the same secrets.
    #[must_use]
    pub fn none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (what, names) in [
            ("accounts added", &self.added),
            ("accounts removed", &self.removed),
            ("accounts changed", &self.changed),
        ] {
            if !names.is_empty() {
                parts.push(format!("{what}: {}", names.join(", ")));
            }
        }
        if self.clients {
            parts.push("clients changed".to_owned());
        }
        if self.recipients {
            parts.push("recipients changed".to_owned());
        }
        if self.certificate {
            parts.push("certificate changed".to_owned());
        }
        if !self.waiting.is_empty() {
            parts.push(format!("waits for a start: {}", self.waiting.join(", ")));
        }
        if parts.is_empty() {
            parts.push("nothing changed".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

/// The configuration with those sections as they were that are read at a start alone, and which of them differ.
pub(super) fn with_fixed(config: Config, old: &Config) -> (Config, Vec<&'static str>) {
    let differs =
        |new: &dyn fmt::Debug, old: &dyn fmt::Debug| format!("{new:?}") != format!("{old:?}");
    let mut waiting = Vec::new();
    for (section, new, old) in [
        (
            "server",
            &config.server as &dyn fmt::Debug,
            &old.server as &dyn fmt::Debug,
        ),
        ("store", &config.store, &old.store),
        ("shared", &config.shared, &old.shared),
        ("delivery", &config.delivery, &old.delivery),
        ("upstream", &config.upstream, &old.upstream),
        ("templates", &config.templates, &old.templates),
        ("retention", &config.retention, &old.retention),
        (WEBHOOKS, &config.webhooks, &old.webhooks),
    ] {
        if differs(new, old) {
            waiting.push(section);
        }
    }
    let old = old.clone();
    let config = Config {
        server: old.server,
        store: old.store,
        shared: old.shared,
        delivery: old.delivery,
        upstream: old.upstream,
        templates: old.templates,
        retention: old.retention,
        webhooks: old.webhooks,
        ..config
    };
    (config, waiting)
}

pub(super) fn differences(
    (old, old_secrets): (&Config, &Secrets),
    (new, new_secrets): (&Config, &Secrets),
    mut waiting: Vec<&'static str>,
) -> Changes {
    // Their configuration is the old one by now; their secrets are those that were just fetched.
    let posting = |secrets: &Secrets| -> Vec<String> {
        let keys = secrets.webhooks.iter();
        keys.map(|keys| signature(keys, "", 0, b"")).collect()
    };
    if !waiting.contains(&WEBHOOKS) && posting(old_secrets) != posting(new_secrets) {
        waiting.push(WEBHOOKS);
    }
    let described = |config: &Config, secrets: &Secrets| -> BTreeMap<String, String> {
        let all = config.accounts.iter().zip(&secrets.accounts);
        all.map(|(account, secrets)| (account.name.clone(), description(account, secrets, config)))
            .collect()
    };
    let (before, after) = (described(old, old_secrets), described(new, new_secrets));
    let only_in = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
        let names = one.keys().filter(|name| !other.contains_key(*name));
        names.cloned().collect::<Vec<_>>()
    };
    let changed = after
        .iter()
        .filter(|(name, is)| before.get(*name).is_some_and(|was| was != *is));
    let calling = |config: &Config, secrets: &Secrets| {
        let clients = secrets
            .clients
            .iter()
            .map(|keys| fingerprint(&keys.secrets));
        let clients: Vec<_> = clients.collect();
        format!(
            "{:?} {:?} {:?} {:?} {clients:?} {:?}",
            config.clients, config.jwt, config.oauth, config.limits, secrets.jwt_prints
        )
    };
    Changes {
        added: only_in(&after, &before),
        removed: only_in(&before, &after),
        changed: changed.map(|(name, _)| name.clone()).collect(),
        clients: calling(old, old_secrets) != calling(new, new_secrets),
        recipients: old.recipients.forget_after_unsubscribe
            != new.recipients.forget_after_unsubscribe,
        certificate: match (&old_secrets.tls, &new_secrets.tls) {
            (Some(old), Some(new)) => !old.is(new),
            _ => false,
        },
        waiting,
    }
}

/// All that an account is, in a form that can be compared; secrets as their hashes.
fn description(account: &Account, secrets: &AccountSecrets, config: &Config) -> String {
    format!("{account:?} {:?} {}", config.quota, secrets.fingerprint())
}
