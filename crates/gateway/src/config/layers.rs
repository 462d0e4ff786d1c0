//! The layers of a configuration and how they become one table: later wins, lists are replaced whole.
//! It must not know which keys exist; it notes where each one came from.

use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::config::environment::Environment;
use crate::config::problem::{Findings, Problem};
use crate::config::profile::Profile;
use crate::config::wiped::{Wiped, wipe};

pub const DEFAULT_FILE: &str = "hongyan.toml";
pub const DEFAULTS_LABEL: &str = "default";
pub const ENVIRONMENT_PREFIX: &str = "HONGYAN__";
const FLAGS_LABEL: &str = "--set";

/// Where a configuration is read from. Tests give their own directory and environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config FILE`: must exist. Without it `hongyan.toml` of the directory is read if it is there.
    pub file: Option<PathBuf>,
    pub directory: PathBuf,
    pub environment: Environment,
    /// `--set server.listen=…`, in the order given.
    pub overrides: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Layer {
    pub label: String,
    pub table: Wiped,
}

pub fn defaults() -> toml::Table {
    include_str!("default.toml")
        .parse()
        .expect("default.toml is part of the program and a test reads it")
}

/// The files that a configuration is read from, whether they are there or not; later wins.
pub fn files(sources: &Sources, profile: Profile) -> [PathBuf; 2] {
    let base = sources.file.clone();
    let base = base.unwrap_or_else(|| sources.directory.join(DEFAULT_FILE));
    let for_profile = beside(&base, profile);
    [base, for_profile]
}

/// The layers that are at hand; later wins. Documents that these include come between.
#[derive(Debug)]
pub struct Layers {
    /// The defaults and the files.
    pub files: Vec<Layer>,
    /// The environment and the flags.
    pub outside: Vec<Layer>,
}

/// Files that cannot be read or parsed are reported and left out.
pub fn read(sources: &Sources, profile: Profile, findings: &mut Findings) -> Layers {
    let [base, for_profile] = files(sources, profile);
    let mut files = vec![Layer {
        label: DEFAULTS_LABEL.to_owned(),
        table: defaults().into(),
    }];
    files.extend(read_file(&base, sources.file.is_some(), findings));
    files.extend(read_file(&for_profile, false, findings));
    let variables = sources.environment.iter();
    let variables = variables.filter_map(|(name, value)| from_variable(name, value));
    let flags = sources.overrides.iter().map(|(key, value)| {
        let path: Vec<&str> = key.split('.').collect();
        Layer {
            label: FLAGS_LABEL.to_owned(),
            table: single(&path, value).into(),
        }
    });
    Layers {
        files,
        outside: variables.chain(flags).collect(),
    }
}

/// Puts the layer over the table and notes it as the origin of the keys it sets.
pub fn merge(into: &mut toml::Table, mut layer: Layer, findings: &mut Findings) {
    for (section, value) in layer.table.take() {
        match (
            into.get_mut(&section).and_then(toml::Value::as_table_mut),
            value,
        ) {
            (Some(known), toml::Value::Table(keys)) => {
                for (key, value) in keys {
                    findings
                        .layers
                        .insert(format!("{section}.{key}"), layer.label.clone());
                    if let Some(mut old) = known.insert(key, value) {
                        wipe(&mut old);
                    }
                }
            }
            (_, value) => {
                findings.layers.insert(section.clone(), layer.label.clone());
                if let Some(mut old) = into.insert(section, value) {
                    wipe(&mut old);
                }
            }
        }
    }
}

/// `hongyan.toml` and `prod` → `hongyan.prod.toml` in the same directory.
fn beside(base: &Path, profile: Profile) -> PathBuf {
    let stem = base.file_stem().unwrap_or_default().to_string_lossy();
    base.with_file_name(format!("{stem}.{profile}.toml"))
}

fn read_file(path: &Path, required: bool, findings: &mut Findings) -> Option<Layer> {
    let label = path
        .strip_prefix("./")
        .unwrap_or(path)
        .display()
        .to_string();
    let mut report = |text: String| {
        findings.problems.push(Problem {
            key: label.clone(),
            layer: None,
            text,
            away: false,
        });
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if required {
                report("there is no such file; check --config".to_owned());
            }
            return None;
        }
        Err(error) => {
            report(format!("cannot be read: {error}"));
            return None;
        }
    };
    parse(label, &text, findings)
}

/// A text from anywhere. One that cannot be parsed is reported.
pub fn parse(label: String, text: &str, findings: &mut Findings) -> Option<Layer> {
    let error = match text.parse::<toml::Table>() {
        Ok(table) => {
            let table = table.into();
            return Some(Layer { label, table });
        }
        Err(error) => error,
    };
    let at = position(text, error.span());
    findings.problems.push(Problem {
        key: label,
        layer: None,
        text: format!("{at}is not valid TOML: {}", error.message()),
        away: false,
    });
    None
}

/// Says where, but does not quote the line as the parser would: it may hold a secret.
fn position(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column} ")
}

/// `HONGYAN__SERVER__LISTEN` → `server.listen`. Names with a single underscore are not ours to judge: a Kubernetes
/// service called hongyan puts several of them into every pod.
fn from_variable(name: &str, value: &str) -> Option<Layer> {
    let path = name.strip_prefix(ENVIRONMENT_PREFIX)?.to_ascii_lowercase();
    let path: Vec<&str> = path.split("__").collect();
    Some(Layer {
        label: name.to_owned(),
        table: single(&path, value).into(),
    })
}

fn single(path: &[&str], text: &str) -> toml::Table {
    let (last, parents) = path.split_last().expect("split always yields one part");
    let mut table = toml::Table::from_iter([((*last).to_owned(), typed(path, text))]);
    for parent in parents.iter().rev() {
        table = toml::Table::from_iter([((*parent).to_owned(), toml::Value::Table(table))]);
    }
    table
}

/// Text from outside has no type: it takes the default's if that is a string, else it is read as TOML where it can be.
fn typed(path: &[&str], text: &str) -> toml::Value {
    let default = match path {
        [section, key] => defaults()
            .get(*section)
            .and_then(|section| section.get(*key))
            .cloned(),
        _ => None,
    };
    match (default, text.parse::<toml::Value>()) {
        (Some(toml::Value::String(_)), _)
        | (_, Err(_) | Ok(toml::Value::String(_) | toml::Value::Datetime(_))) => {
            toml::Value::String(text.to_owned())
        }
        (_, Ok(value)) => value,
    }
}
