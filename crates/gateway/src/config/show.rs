//! The effective configuration as rows of key, value and the layer each came from; secrets as their references.
//! It must not print: a command does.

use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::duration;
use crate::config::include::INCLUDE;
use crate::config::keys;
use crate::config::layers::DEFAULTS_LABEL;
use crate::config::problem::Findings;
use crate::secrets::reference::SecretRef;

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub key: String,
    pub value: toml::Value,
    pub layer: String,
}

const SECRET_KEYS: [&str; 14] = [
    "keys",
    "key",
    "certificate",
    "secret",
    "secrets",
    "callback_token",
    "encoding_aes_key",
    "token",
    "proxy_login",
    "identity",
    "password",
    "access_key_id",
    "secret_access_key",
    "session_token",
];

pub fn rows(table: &toml::Table, config: &Config, findings: &Findings) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(included) = table.get(INCLUDE) {
        rows.push(row(INCLUDE.to_owned(), included.clone(), findings));
    }
    for (section, _) in keys::SECTIONS {
        for (key, value) in table
            .get(section)
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
        {
            let value = shown_value(key, value);
            rows.push(row(format!("{section}.{key}"), value, findings));
        }
    }
    for (list, _) in keys::LISTS {
        let elements = table
            .get(list)
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        for (index, element) in elements.filter_map(toml::Value::as_table).enumerate() {
            let shown = keys::element(list, index, element);
            for (key, value) in element {
                let value = shown_value(key, value);
                rows.push(row(format!("{shown}.{key}"), value, findings));
            }
            if let Some(account) = config.accounts.get(index).filter(|_| list == "accounts") {
                rows.extend(derived(account, element, &shown));
            }
        }
    }
    rows
}

/// What an account has without saying so.
fn derived(account: &Account, written: &toml::Table, shown: &str) -> Vec<Row> {
    let all = [
        (
            "callback_mode",
            toml::Value::try_from(account.callback_mode).ok(),
        ),
        ("receipts", toml::Value::try_from(account.receipts).ok()),
        ("api_base", toml::Value::try_from(&account.api_base).ok()),
        (
            "receipt_timeout",
            Some(duration::show(account.receipt_timeout).into()),
        ),
        (
            "max_concurrency",
            Some(i64::from(account.max_concurrency).into()),
        ),
        ("token_mode", toml::Value::try_from(account.token_mode).ok()),
        (
            "bulk_leaves_percent",
            Some(i64::from(account.bulk_leaves_percent).into()),
        ),
        (
            "normal_leaves_percent",
            Some(i64::from(account.normal_leaves_percent).into()),
        ),
        (
            "on_violation",
            toml::Value::try_from(account.on_violation).ok(),
        ),
    ];
    all.into_iter()
        .filter(|(key, _)| !written.contains_key(*key))
        .filter_map(|(key, value)| {
            Some(Row {
                key: format!("{shown}.{key}"),
                value: value?,
                layer: DEFAULTS_LABEL.to_owned(),
            })
        })
        .collect()
}

fn row(key: String, value: toml::Value, findings: &Findings) -> Row {
    let owner = key.split('[').next().unwrap_or(&key);
    let layer = findings
        .layers
        .get(owner)
        .map_or(DEFAULTS_LABEL, String::as_str)
        .to_owned();
    Row { key, value, layer }
}

/// Secrets as their references, in tables inside as well.
fn shown_value(key: &str, value: &toml::Value) -> toml::Value {
    if SECRET_KEYS.contains(&key) {
        return masked(value);
    }
    match value {
        // What is behind the question mark may be as good as a password.
        toml::Value::String(text) if key == "url" && text.contains('?') => {
            let (shown, _) = text.split_once('?').unwrap_or((text, ""));
            format!("{shown}?***").into()
        }
        toml::Value::Array(values) => {
            let shown = values.iter().map(|one| shown_value("", one));
            shown.collect::<Vec<_>>().into()
        }
        toml::Value::Table(table) => {
            let shown = table
                .iter()
                .map(|(key, one)| (key.clone(), shown_value(key, one)));
            toml::Value::Table(shown.collect())
        }
        other => other.clone(),
    }
}

fn masked(value: &toml::Value) -> toml::Value {
    match value {
        toml::Value::Array(values) => values.iter().map(masked).collect::<Vec<_>>().into(),
        toml::Value::String(text) => SecretRef::parse(text)
            .map_or("***".to_owned(), |secret| secret.to_string())
            .into(),
        _ => "***".into(),
    }
}
