//! A key that takes one value or a list of them, where order means preference.
//! It must not know what the values are.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

#[derive(Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = match toml::Value::deserialize(deserializer)? {
            toml::Value::Array(values) if values.is_empty() => {
                return Err(D::Error::custom(
                    "is an empty list; give at least one value or leave the key out",
                ));
            }
            toml::Value::Array(values) => values,
            one => vec![one],
        };
        // The message alone: the parser's own display adds a position that means nothing here.
        let read = |value: toml::Value| {
            T::deserialize(value).map_err(|error| D::Error::custom(error.message()))
        };
        values
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
