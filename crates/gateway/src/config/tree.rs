//! Reads the merged table into the structs; a key that does not fit is reported and replaced, so that reading goes on.
//! It must not check what a value means, only that it has the right shape.

use serde::de::DeserializeOwned;

use crate::config::problem::Findings;
use crate::config::wiped::Wiped;

/// A section. Every key has a default, which stands in for one that does not fit.
pub fn section<T: DeserializeOwned>(name: &str, table: &toml::Table, findings: &mut Findings) -> T {
    let defaults = crate::config::layers::defaults();
    let empty = toml::Table::new();
    let of = |table: &toml::Table| {
        table
            .get(name)
            .and_then(toml::Value::as_table)
            .unwrap_or(&empty)
            .clone()
    };
    let defaults = of(&defaults);
    read(name, of(table).into(), &defaults, findings)
        .or_else(|| T::deserialize(toml::Value::Table(defaults)).ok())
        .expect("default.toml is part of the program and a test reads every section of it")
}

/// An element of a list. Without a default, a key that does not fit counts as absent.
pub fn element<T: DeserializeOwned + Default>(
    shown: &str,
    table: toml::Table,
    findings: &mut Findings,
) -> T {
    read(shown, table.into(), &toml::Table::new(), findings).unwrap_or_default()
}

fn read<T: DeserializeOwned>(
    owner: &str,
    mut table: Wiped,
    defaults: &toml::Table,
    findings: &mut Findings,
) -> Option<T> {
    // Each round mends one key, so there are at most as many rounds as keys.
    for _ in 0..=table.len() {
        let error = match serde_path_to_error::deserialize(toml::Value::Table(table.clone())) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let key = match error.path().iter().next() {
            Some(serde_path_to_error::Segment::Map { key }) => key.clone(),
            _ => return None,
        };
        findings.problem(format!("{owner}.{key}"), error.inner().message());
        match defaults.get(&key) {
            Some(value) => table.insert(key, value.clone()),
            None => table.remove(&key),
        };
    }
    None
}
