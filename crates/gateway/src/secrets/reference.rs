//! `env:NAME`, `file:PATH` or a literal: where a secret is to be had.
//! It must not read any of them.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error};

const NOT_YET: [&str; 5] = ["age", "vault", "kms", "nacos", "consul"];

#[derive(Debug, Clone)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
    Literal(SecretString),
}

impl SecretRef {
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env" | "file", "")) => {
                Err("names nothing after the colon; write env:NAME or file:PATH".to_owned())
            }
            Some(("env", name)) if name.contains(['=', '\0']) => {
                Err("is not the name of an environment variable; write env:NAME".to_owned())
            }
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some((scheme, _)) if NOT_YET.contains(&scheme) => Err(format!(
                "{scheme}: references are not supported yet; use env:NAME or file:PATH"
            )),
            // The word is not repeated: it may be the first half of a literal secret.
            Some((word, _)) if looks_like_scheme(word) => Err(
                "begins like a reference of an unknown scheme; known are env:NAME and file:PATH \
                     (age:, vault:, kms:, nacos: and consul: are not supported yet)"
                    .to_owned(),
            ),
            _ if text.is_empty() => Err("is empty; write env:NAME or file:PATH".to_owned()),
            _ => Ok(Self::Literal(SecretString::from(text))),
        }
    }

    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Literal(_) => f.write_str("***"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Self::parse(&text).map_err(D::Error::custom),
            _ => Err(D::Error::custom(
                "must be a secret reference in quotes: env:NAME or file:PATH",
            )),
        }
    }
}

fn looks_like_scheme(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_and_show_without_values() {
        for (text, shown) in [
            ("env:CLINIC_SECRET", "env:CLINIC_SECRET"),
            ("file:/run/secrets/a:b", "file:/run/secrets/a:b"),
            ("s3cret", "***"),
            ("p@ss:word", "***"),
        ] {
            let reference = SecretRef::parse(text).unwrap();
            assert_eq!(reference.to_string(), shown);
            assert!(!format!("{reference:?}").contains("s3cret"));
        }
    }

    #[test]
    fn other_schemes_are_refused_and_a_literal_is_never_repeated() {
        for scheme in NOT_YET {
            let error = SecretRef::parse(&format!("{scheme}:thing")).unwrap_err();
            assert!(
                error.contains(scheme) && error.contains("not supported yet"),
                "{error}"
            );
        }
        let error = SecretRef::parse("hunter2:hunter3").unwrap_err();
        assert!(
            error.contains("env:NAME and file:PATH") && !error.contains("hunter"),
            "{error}"
        );
        for text in ["", "env:", "file:"] {
            assert!(SecretRef::parse(text).is_err(), "{text:?}");
        }
    }
}
