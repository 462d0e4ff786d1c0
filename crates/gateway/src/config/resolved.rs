//! The values behind a configuration's secret references, fetched and checked together.
//! It must not keep them anywhere: they go to those who sign, verify and fetch tokens.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};

use crate::auth::bearer::written;
use crate::auth::client::ClientKeys;
use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::environment::Environment;
use crate::config::jwt::{Jwt, Keys};
use crate::config::problem::{Findings, Problems};
use crate::config::profile::Profile;
use crate::config::server::Tls;
use crate::config::webhooks::Webhook;
use crate::secrets::reference::SecretRef;
use crate::secrets::resolver::Resolver;
use crate::tls::Identity;
use crate::webhook::sign::WebhookKey;

/// In the order of the configuration's accounts, clients, issuers and webhooks.
#[derive(Debug)]
pub struct Secrets {
    pub accounts: Vec<AccountSecrets>,
    pub clients: Vec<ClientKeys>,
    /// Of each issuer with keys in the configuration, newest first.
    pub jwt: Vec<Vec<DecodingKey>>,
    /// With what callers are shown that this is the gateway.
    pub tls: Option<Identity>,
    /// Of each webhook, newest first.
    pub webhooks: Vec<Vec<WebhookKey>>,
}

#[derive(Debug, Clone)]
pub struct AccountSecrets {
    pub name: String,
    pub secret: SecretString,
    /// Newest first, like the reference list.
    pub callback_tokens: Vec<SecretString>,
    pub encoding_aes_keys: Vec<SecretString>,
    /// In the order of the account's consumers.
    pub consumers: Vec<ConsumerSecrets>,
}

#[derive(Debug, Clone)]
pub struct ConsumerSecrets {
    pub token: SecretString,
    pub encoding_aes_key: Option<SecretString>,
}

/// WeChat gives the key as 43 characters of base64 without padding.
const AES_KEY_CHARS: usize = 43;

pub fn resolve(config: &Config, environment: &Environment) -> Result<Secrets, Problems> {
    let resolver = Resolver {
        environment,
        owner_only: config.profile == Profile::Prod,
    };
    let mut findings = Findings::default();
    let accounts = config
        .accounts
        .iter()
        .filter_map(|account| account_secrets(account, resolver, &mut findings))
        .collect();
    let mut clients = Vec::with_capacity(config.clients.len());
    for client in &config.clients {
        let key = format!("clients[{}].secrets", client.id);
        let secrets = all(&client.secrets, &key, resolver, &mut findings);
        clients.push(ClientKeys {
            id: client.id.clone(),
            secrets,
            scopes: client.scopes,
            reach: client.reach(),
        });
    }
    refuse_shared_secrets(&clients, &mut findings);
    let webhooks = config
        .webhooks
        .iter()
        .map(|hook| webhook_keys(hook, resolver, &mut findings))
        .collect();
    let jwt = config
        .jwt
        .iter()
        .map(|issuer| issuer_keys(issuer, resolver, &mut findings))
        .collect();
    let tls = config.server.tls.as_ref();
    let tls = tls.and_then(|tls| tls_identity(tls, resolver, &mut findings));
    if findings.problems.is_empty() {
        Ok(Secrets {
            accounts,
            clients,
            jwt,
            tls,
            webhooks,
        })
    } else {
        Err(Problems(findings.problems))
    }
}

fn account_secrets(
    account: &Account,
    resolver: Resolver<'_>,
    findings: &mut Findings,
) -> Option<AccountSecrets> {
    let key = |field: &str| format!("accounts[{}].{field}", account.name);
    let secret = all(
        std::slice::from_ref(&account.secret),
        &key("secret"),
        resolver,
        findings,
    )
    .pop();
    let callback_tokens = all(
        &account.callback_token,
        &key("callback_token"),
        resolver,
        findings,
    );
    let encoding_aes_keys = all(
        &account.encoding_aes_key,
        &key("encoding_aes_key"),
        resolver,
        findings,
    );
    if encoding_aes_keys
        .iter()
        .any(|value| !is_aes_key(value.expose_secret()))
    {
        findings.problem(key("encoding_aes_key"), not_an_aes_key());
    }
    let consumers = consumer_secrets(account, resolver, findings);
    Some(AccountSecrets {
        name: account.name.clone(),
        secret: secret?,
        callback_tokens,
        encoding_aes_keys,
        consumers,
    })
}

fn consumer_secrets(
    account: &Account,
    resolver: Resolver<'_>,
    findings: &mut Findings,
) -> Vec<ConsumerSecrets> {
    let mut found = Vec::with_capacity(account.consumers.len());
    for (nth, consumer) in account.consumers.iter().enumerate() {
        let key = |field: &str| format!("accounts[{}].consumers[{nth}].{field}", account.name);
        let one = std::slice::from_ref(&consumer.token);
        let token = all(one, &key("token"), resolver, findings).pop();
        let one = consumer.encoding_aes_key.as_slice();
        let encoding_aes_key = all(one, &key("encoding_aes_key"), resolver, findings).pop();
        if let Some(value) = &encoding_aes_key
            && !is_aes_key(value.expose_secret())
        {
            findings.problem(key("encoding_aes_key"), not_an_aes_key());
        }
        found.extend(token.map(|token| ConsumerSecrets {
            token,
            encoding_aes_key,
        }));
    }
    found
}

fn not_an_aes_key() -> String {
    format!("is not an EncodingAESKey: WeChat's have {AES_KEY_CHARS} characters of A-Z a-z 0-9")
}

fn webhook_keys(
    hook: &Webhook,
    resolver: Resolver<'_>,
    findings: &mut Findings,
) -> Vec<WebhookKey> {
    let key = format!("webhooks[{}].secrets", hook.name);
    let mut keys = Vec::new();
    for secret in all(&hook.secrets, &key, resolver, findings) {
        match WebhookKey::parse(&secret) {
            Ok(parsed) => keys.push(parsed),
            Err(text) => findings.problem(key.clone(), text),
        }
    }
    keys
}

fn tls_identity(tls: &Tls, resolver: Resolver<'_>, findings: &mut Findings) -> Option<Identity> {
    let public = Resolver {
        owner_only: false,
        ..resolver
    };
    let one = |reference| std::slice::from_ref(reference);
    let certificate = all(
        one(&tls.certificate),
        "server.tls.certificate",
        public,
        findings,
    )
    .pop();
    let key = all(one(&tls.key), "server.tls.key", resolver, findings).pop();
    match Identity::read(&certificate?, &key?) {
        Ok(identity) => Some(identity),
        Err(error) => {
            findings.problem("server.tls", error.to_string());
            None
        }
    }
}

fn issuer_keys(issuer: &Jwt, resolver: Resolver<'_>, findings: &mut Findings) -> Vec<DecodingKey> {
    let Keys::Written { keys, .. } = &issuer.keys else {
        return Vec::new();
    };
    // Everybody may read a public key.
    let owner_only = resolver.owner_only && issuer.algorithm == Algorithm::HS256;
    let resolver = Resolver {
        owner_only,
        ..resolver
    };
    let shown = format!("jwt[{}].keys", issuer.name);
    let mut read = Vec::with_capacity(keys.len());
    for value in all(keys, &shown, resolver, findings) {
        match written::key(issuer.algorithm, &value) {
            Ok(key) => read.push(key),
            Err(text) => findings.problem(shown.clone(), text),
        }
    }
    read
}

fn all(
    references: &[SecretRef],
    key: &str,
    resolver: Resolver<'_>,
    findings: &mut Findings,
) -> Vec<SecretString> {
    let mut values = Vec::with_capacity(references.len());
    for reference in references {
        match resolver.resolve(reference) {
            Ok(value) => values.push(value),
            Err(error) => findings.problem(key, error.to_string()),
        }
    }
    values
}

fn is_aes_key(text: &str) -> bool {
    text.len() == AES_KEY_CHARS
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// At the compatible door the secret alone says which client is calling.
fn refuse_shared_secrets(clients: &[ClientKeys], findings: &mut Findings) {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for client in clients {
        for secret in &client.secrets {
            let owner = *owners.entry(secret.expose_secret()).or_insert(&client.id);
            if owner != client.id {
                let text = format!(
                    "is the same secret as that of client {owner}; give each client its own"
                );
                findings.problem(format!("clients[{}].secrets", client.id), text);
            }
        }
    }
}
