//! `[store]` and `[shared]`: what must not be lost, and what nodes share and may lose.
//! It must not know any driver, only which URLs this version takes.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error};

#[derive(Debug, Clone, Deserialize)]
pub struct Store {
    pub url: StoreUrl,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Shared {
    pub url: SharedUrl,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    Sqlite(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedUrl {
    Memory,
}

impl StoreUrl {
    pub fn parse(url: &str) -> Result<Self, String> {
        match url.split_once("://") {
            Some(("sqlite", "" | ":memory:")) => Err(
                "a message must survive the process; give sqlite:// the path of a file".to_owned(),
            ),
            Some(("sqlite", path)) if path.contains(['?', '#']) => {
                Err("sqlite:// takes the path of a file and no options".to_owned())
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(PathBuf::from(path))),
            Some((scheme @ ("postgres" | "postgresql"), _)) => Err(format!(
                "{scheme}:// is not supported yet; use sqlite://PATH"
            )),
            // The URL itself is not repeated: it may hold a password.
            _ => Err("is not a store this program knows; use sqlite://PATH".to_owned()),
        }
    }
}

impl SharedUrl {
    pub fn parse(url: &str) -> Result<Self, String> {
        match url.split_once("://") {
            Some(("memory", "")) => Ok(Self::Memory),
            Some((scheme @ ("redis" | "rediss" | "redis-cluster" | "redis-sentinel"), _)) => {
                Err(format!("{scheme}:// is not supported yet; use memory://"))
            }
            _ => Err("is not a shared cache this program knows; use memory://".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for SharedUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file() {
        assert_eq!(
            StoreUrl::parse("sqlite://hongyan.db"),
            Ok(StoreUrl::Sqlite("hongyan.db".into()))
        );
        assert_eq!(
            StoreUrl::parse("sqlite:///var/lib/h.db"),
            Ok(StoreUrl::Sqlite("/var/lib/h.db".into()))
        );
        for url in [
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://h.db?mode=memory",
            "hongyan.db",
            "mysql://u:pw@h/d",
        ] {
            let error = StoreUrl::parse(url).unwrap_err();
            assert!(
                error.contains("sqlite://") && !error.contains("pw"),
                "{url}: {error}"
            );
        }
        assert!(
            StoreUrl::parse("postgres://u:pw@h/d")
                .unwrap_err()
                .contains("not supported yet")
        );
        assert!(
            SharedUrl::parse("redis://h")
                .unwrap_err()
                .contains("not supported yet")
        );
        assert_eq!(SharedUrl::parse("memory://"), Ok(SharedUrl::Memory));
    }
}
