//! The values behind a configuration's secret references, fetched and checked together.
//! It must not keep them anywhere: they go to those who sign, verify and fetch tokens.

use std::collections::BTreeMap;

use hongyan_wechat::client::Proxy;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::auth::bearer::written;
use crate::auth::client::ClientKeys;
use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::environment::Environment;
use crate::config::jwt::{Jwt, Keys};
use crate::config::keyring::keyring;
use crate::config::problem::{Findings, Problems};
use crate::config::profile::Profile;
use crate::config::server::Tls;
use crate::config::webhooks::Webhook;
use crate::secrets::keyring::Keyring;
use crate::secrets::reference::SecretRef;
use crate::tls::Identity;
use crate::webhook::sign::WebhookKey;

/// In the order of the configuration's accounts, clients, issuers and webhooks.
#[derive(Debug, Clone)]
pub struct Secrets {
    pub accounts: Vec<AccountSecrets>,
    pub clients: Vec<ClientKeys>,
    /// Of each issuer with keys in the configuration, newest first.
    pub jwt: Vec<Vec<DecodingKey>>,
    /// Hashes of those, to tell whether they changed.
    pub jwt_prints: Vec<String>,
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
    /// What the account's proxy asks for.
    pub proxy_login: Option<SecretString>,
    /// In the order of the account's consumers.
    pub consumers: Vec<ConsumerSecrets>,
}

#[derive(Debug, Clone)]
pub struct ConsumerSecrets {
    pub token: SecretString,
    pub encoding_aes_key: Option<SecretString>,
}

impl AccountSecrets {
    /// A hash of all of them: to tell whether one of them changed.
    pub fn fingerprint(&self) -> String {
        let mut all = vec![&self.secret];
        all.extend(&self.callback_tokens);
        all.extend(&self.encoding_aes_keys);
        all.extend(&self.proxy_login);
        for consumer in &self.consumers {
            all.push(&consumer.token);
            all.extend(&consumer.encoding_aes_key);
        }
        fingerprint(all)
    }
}

/// A hash of secrets in their order.
pub fn fingerprint<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    let mut hash = Sha256::new();
    for secret in secrets {
        let secret = secret.expose_secret();
        hash.update(secret.len().to_le_bytes());
        hash.update(secret);
    }
    hex::encode(hash.finalize())
}

/// WeChat gives the key as 43 characters of base64 without padding.
const AES_KEY_CHARS: usize = 43;

/// Fetches all secrets, with a keyring of this configuration alone.
pub async fn resolve(config: &Config, environment: &Environment) -> Result<Secrets, Problems> {
    fetch(config, &keyring(config, environment)?).await
}

/// Fetches all secrets.
pub async fn fetch(config: &Config, keyring: &Keyring) -> Result<Secrets, Problems> {
    let mut findings = Findings::default();
    let mut accounts = Vec::with_capacity(config.accounts.len());
    for account in &config.accounts {
        accounts.extend(account_secrets(account, keyring, &mut findings).await);
    }
    let mut clients = Vec::with_capacity(config.clients.len());
    for client in &config.clients {
        let key = format!("clients[{}].secrets", client.id);
        let secrets = all(&client.secrets, &key, keyring, &mut findings).await;
        if config.profile != Profile::Dev {
            refuse_short_secrets(&secrets, &key, &mut findings);
        }
        clients.push(ClientKeys {
            id: client.id.clone(),
            secrets,
            scopes: client.scopes,
            reach: client.reach(),
        });
    }
    refuse_shared_secrets(&clients, &mut findings);
    let mut webhooks = Vec::with_capacity(config.webhooks.len());
    for hook in &config.webhooks {
        webhooks.push(webhook_keys(hook, keyring, &mut findings).await);
    }
    let (mut jwt, mut jwt_prints) = (Vec::new(), Vec::new());
    for issuer in &config.jwt {
        let (keys, print) = issuer_keys(issuer, keyring, &mut findings).await;
        jwt.push(keys);
        jwt_prints.push(print);
    }
    let tls = match &config.server.tls {
        Some(tls) => tls_identity(tls, keyring, &mut findings).await,
        None => None,
    };
    if findings.problems.is_empty() {
        Ok(Secrets {
            accounts,
            clients,
            jwt,
            jwt_prints,
            tls,
            webhooks,
        })
    } else {
        Err(Problems(findings.problems))
    }
}

async fn account_secrets(
    account: &Account,
    keyring: &Keyring,
    findings: &mut Findings,
) -> Option<AccountSecrets> {
    let key = |field: &str| format!("accounts[{}].{field}", account.name);
    let secret = all(
        std::slice::from_ref(&account.secret),
        &key("secret"),
        keyring,
        findings,
    )
    .await
    .pop();
    let callback_tokens = all(
        &account.callback_token,
        &key("callback_token"),
        keyring,
        findings,
    )
    .await;
    let encoding_aes_keys = all(
        &account.encoding_aes_key,
        &key("encoding_aes_key"),
        keyring,
        findings,
    )
    .await;
    if encoding_aes_keys
        .iter()
        .any(|value| !is_aes_key(value.expose_secret()))
    {
        findings.problem(key("encoding_aes_key"), not_an_aes_key());
    }
    let one = account.proxy_login.as_slice();
    let proxy_login = all(one, &key("proxy_login"), keyring, findings).await.pop();
    if let Some(Err(error)) = account
        .proxy
        .as_ref()
        .map(|proxy| Proxy::new(proxy, proxy_login.as_ref()))
    {
        findings.problem(key("proxy_login"), error.to_string());
    }
    let consumers = consumer_secrets(account, keyring, findings).await;
    Some(AccountSecrets {
        name: account.name.clone(),
        secret: secret?,
        callback_tokens,
        encoding_aes_keys,
        proxy_login,
        consumers,
    })
}

async fn consumer_secrets(
    account: &Account,
    keyring: &Keyring,
    findings: &mut Findings,
) -> Vec<ConsumerSecrets> {
    let mut found = Vec::with_capacity(account.consumers.len());
    for (nth, consumer) in account.consumers.iter().enumerate() {
        let key = |field: &str| format!("accounts[{}].consumers[{nth}].{field}", account.name);
        let one = std::slice::from_ref(&consumer.token);
        let token = all(one, &key("token"), keyring, findings).await.pop();
        let one = consumer.encoding_aes_key.as_slice();
        let encoding_aes_key = all(one, &key("encoding_aes_key"), keyring, findings)
            .await
            .pop();
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

async fn webhook_keys(
    hook: &Webhook,
    keyring: &Keyring,
    findings: &mut Findings,
) -> Vec<WebhookKey> {
    let key = format!("webhooks[{}].secrets", hook.name);
    let mut keys = Vec::new();
    for secret in all(&hook.secrets, &key, keyring, findings).await {
        match WebhookKey::parse(&secret) {
            Ok(parsed) => keys.push(parsed),
            Err(text) => findings.problem(key.clone(), text),
        }
    }
    keys
}

async fn tls_identity(tls: &Tls, keyring: &Keyring, findings: &mut Findings) -> Option<Identity> {
    let certificate = keyring.resolve_public(&tls.certificate).await;
    if let Err(error) = &certificate {
        findings.unread("server.tls.certificate", error);
    }
    let key = std::slice::from_ref(&tls.key);
    let key = all(key, "server.tls.key", keyring, findings).await.pop();
    match Identity::read(&certificate.ok()?, &key?) {
        Ok(identity) => Some(identity),
        Err(error) => {
            findings.problem("server.tls", error.to_string());
            None
        }
    }
}

/// The keys, and a hash of them.
async fn issuer_keys(
    issuer: &Jwt,
    keyring: &Keyring,
    findings: &mut Findings,
) -> (Vec<DecodingKey>, String) {
    let Keys::Written { keys, .. } = &issuer.keys else {
        return Default::default();
    };
    let shown = format!("jwt[{}].keys", issuer.name);
    let mut values = Vec::with_capacity(keys.len());
    for reference in keys {
        // Everybody may read a public key.
        let value = match issuer.algorithm {
            Algorithm::HS256 => keyring.resolve(reference).await,
            _ => keyring.resolve_public(reference).await,
        };
        match value {
            Ok(value) => values.push(value),
            Err(error) => findings.unread(shown.clone(), &error),
        }
    }
    let mut read = Vec::with_capacity(keys.len());
    for value in &values {
        match written::key(issuer.algorithm, value) {
            Ok(key) => read.push(key),
            Err(text) => findings.problem(shown.clone(), text),
        }
    }
    (read, fingerprint(&values))
}

async fn all(
    references: &[SecretRef],
    key: &str,
    keyring: &Keyring,
    findings: &mut Findings,
) -> Vec<SecretString> {
    let mut values = Vec::with_capacity(references.len());
    for reference in references {
        match keyring.resolve(reference).await {
            Ok(value) => values.push(value),
            Err(error) => findings.unread(key, &error),
        }
    }
    values
}

/// All references of a configuration, for whoever waits for a change.
pub fn references(config: &Config) -> Vec<SecretRef> {
    let mut all = Vec::new();
    for account in &config.accounts {
        all.push(account.secret.clone());
        all.extend(account.callback_token.iter().cloned());
        all.extend(account.encoding_aes_key.iter().cloned());
        all.extend(account.proxy_login.clone());
        for consumer in &account.consumers {
            all.push(consumer.token.clone());
            all.extend(consumer.encoding_aes_key.clone());
        }
    }
    let clients = config.clients.iter().flat_map(|client| &client.secrets);
    all.extend(clients.cloned());
    for issuer in &config.jwt {
        if let Keys::Written { keys, .. } = &issuer.keys {
            all.extend(keys.iter().cloned());
        }
    }
    if let Some(tls) = &config.server.tls {
        all.extend([tls.certificate.clone(), tls.key.clone()]);
    }
    let webhooks = config.webhooks.iter().flat_map(|hook| &hook.secrets);
    all.extend(webhooks.cloned());
    all
}

fn is_aes_key(text: &str) -> bool {
    text.len() == AES_KEY_CHARS
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// Of a shorter one, whoever has seen one signed request could try all in a while.
const CLIENT_SECRET_BYTES_MIN: usize = 16;

fn refuse_short_secrets(secrets: &[SecretString], key: &str, findings: &mut Findings) {
    let short = |secret: &SecretString| secret.expose_secret().len() < CLIENT_SECRET_BYTES_MIN;
    if secrets.iter().any(short) {
        let text = format!(
            "has a secret of less than {CLIENT_SECRET_BYTES_MIN} bytes; `openssl rand -base64 32` makes a good one"
        );
        findings.problem(key, text);
    }
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
