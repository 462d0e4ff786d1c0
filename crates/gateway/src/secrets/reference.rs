//! `env:NAME`, `file:PATH`, … or a literal: where a secret is to be had.
//! It must not read any of them.

use std::fmt;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Deserializer, de::Error};

/// What kind of place keeps a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Env,
    File,
    Age,
    Vault,
    Kms,
    Nacos,
    Consul,
}

impl Scheme {
    pub const ALL: [Self; 7] = [
        Self::Env,
        Self::File,
        Self::Age,
        Self::Vault,
        Self::Kms,
        Self::Nacos,
        Self::Consul,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Age => "age",
            Self::Vault => "vault",
            Self::Kms => "kms",
            Self::Nacos => "nacos",
            Self::Consul => "consul",
        }
    }

    /// How a reference of this scheme is written.
    fn shape(self) -> &'static str {
        match self {
            Self::Env => "env:NAME",
            Self::File => "file:PATH",
            Self::Age => "age:CIPHERTEXT or age:file:PATH",
            Self::Vault => "vault:MOUNT/PATH#FIELD",
            Self::Kms => "kms:CIPHERTEXT or kms:file:PATH",
            Self::Nacos => "nacos:GROUP/DATA_ID#FIELD",
            Self::Consul => "consul:PATH#FIELD",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// How much of a ciphertext is shown.
const SHOWN_CHARS: usize = 12;

#[derive(Debug, Clone)]
pub enum SecretRef {
    /// It is kept elsewhere.
    Kept {
        scheme: Scheme,
        place: String,
    },
    Literal(SecretString),
}

impl SecretRef {
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((word, place)) = text.split_once(':') else {
            return match text {
                "" => Err("is empty; write env:NAME or file:PATH".to_owned()),
                _ => Ok(Self::Literal(SecretString::from(text))),
            };
        };
        if let Some(scheme) = Scheme::from_word(word) {
            if place.is_empty() {
                let shape = scheme.shape();
                return Err(format!("names nothing after the colon; write {shape}"));
            }
            if scheme == Scheme::Env && place.contains(['=', '\0']) {
                return Err("is not the name of an environment variable; write env:NAME".to_owned());
            }
            let place = place.to_owned();
            return Ok(Self::Kept { scheme, place });
        }
        // The word is not repeated: it may be the first half of a literal secret.
        if looks_like_scheme(word) {
            return Err(
                "begins like a reference of an unknown scheme; known are env:, file:, age:, vault:, kms:, nacos: \
                 and consul:"
                    .to_owned(),
            );
        }
        Ok(Self::Literal(SecretString::from(text)))
    }

    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept {
                scheme: scheme @ (Scheme::Age | Scheme::Kms),
                place,
            } if !place.starts_with("file:") => {
                let shown: String = place.chars().take(SHOWN_CHARS).collect();
                write!(f, "{}:{shown}…", scheme.as_str())
            }
            Self::Kept { scheme, place } => write!(f, "{}:{place}", scheme.as_str()),
            Self::Literal(_) => f.write_str("***"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => {
                Self::parse(&Zeroizing::new(text)).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom(
                "must be a secret reference in quotes: env:NAME or file:PATH",
            )),
        }
    }
}

/// Whether a word is a known scheme misspelt, or one that others have. A login such as `user:password` is neither.
fn looks_like_scheme(word: &str) -> bool {
    const OTHERS: [&str; 8] = [
        "http", "https", "aws", "gcp", "azure", "secret", "sops", "op",
    ];
    let word = word.to_ascii_lowercase();
    let near = |scheme: &Scheme| strsim::damerau_levenshtein(&word, scheme.as_str()) <= 1;
    OTHERS.contains(&word.as_str()) || Scheme::ALL.iter().any(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_and_show_without_values() {
        for (text, shown) in [
            ("env:CLINIC_SECRET", "env:CLINIC_SECRET"),
            ("file:/run/secrets/a:b", "file:/run/secrets/a:b"),
            ("vault:secret/clinic#app", "vault:secret/clinic#app"),
            ("age:YWdlLWVuY3J5cHRpb24ub3Jn", "age:YWdlLWVuY3J5…"),
            ("kms:YWdlLWVuY3J5cHRpb24ub3Jn", "kms:YWdlLWVuY3J5…"),
            ("kms:file:/run/sealed", "kms:file:/run/sealed"),
            ("s3cret", "***"),
            ("p@ss:word", "***"),
        ] {
            let reference = SecretRef::parse(text).unwrap();
            assert_eq!(reference.to_string(), shown);
            assert!(!format!("{reference:?}").contains("s3cret"));
        }
    }

    #[test]
    fn unknown_schemes_are_refused_and_a_literal_is_never_repeated() {
        for text in ["vualt:hunter3", "Env:hunter3", "https:hunter3"] {
            let error = SecretRef::parse(text).unwrap_err();
            assert!(
                error.contains("known are env:, file:") && !error.contains("hunter"),
                "{error}"
            );
        }
        assert!(SecretRef::parse("user:hunter2").unwrap().is_literal());
        for text in ["", "env:", "file:", "age:", "kms:", "consul:"] {
            assert!(SecretRef::parse(text).is_err(), "{text:?}");
        }
    }
}
