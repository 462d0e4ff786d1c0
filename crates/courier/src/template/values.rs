//! The values of a message: `{"key": {"value": "text"}}` as pairs, in the order they were given.
//! It must not know templates; colours and whatever else is there are left out, as WeChat leaves them out.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::parse::KEYS_MAX;

/// Pairs of key and text, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// The JSON text is not what a message's data looks like.
#[derive(Debug, thiserror::Error)]
#[error("not an object of key → {{\"value\": \"text\"}} with at most {KEYS_MAX} keys")]
pub struct NotData(#[source] serde_json::Error);

impl<'a> Values<'a> {
    /// Reads JSON text such as [`Content::data`](crate::message::Content::data).
    ///
    /// # Errors
    /// [`NotData`]. That the keys and values are well formed has been seen to where the message came in.
    pub fn read(json: &'a str) -> Result<Self, NotData> {
        serde_json::from_str(json).map_err(NotData)
    }

    /// The text of a key. Of two with one name it is the first.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(given, _)| *given == key)
            .map(|(_, text)| text)
    }

    /// Key and text, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (&**key, &**text))
    }

    /// Written anew, as WeChat takes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let pair =
            |(key, text): (&str, &str)| format!("{}:{{\"value\":{}}}", quoted(key), quoted(text));
        let pairs: Vec<_> = self.iter().map(pair).collect();
        format!("{{{}}}", pairs.join(","))
    }

    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = (&str, &mut Cow<'a, str>)> {
        self.0.iter_mut().map(|(key, text)| (&**key, text))
    }
}

impl<'a, K: Into<Cow<'a, str>>, T: Into<Cow<'a, str>>> FromIterator<(K, T)> for Values<'a> {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(key, text)| (key.into(), text.into()))
                .collect(),
        )
    }
}

/// Text without a copy, unless there are escapes in it.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(serde::Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(key), Entry { value })) = map.next_entry()? {
                    if pairs.len() == KEYS_MAX {
                        return Err(A::Error::custom("too many keys"));
                    }
                    pairs.push((key, value));
                }
                Ok(Values(pairs))
            }
        }
        reader.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_in_order_and_written_anew_without_colours() {
        let json = r##"{"b":{"value":"\u4f60\n","color":"#173177"},"a":{"value":"x\"y"}}"##;
        let values = Values::read(json).unwrap();
        assert_eq!(values.get("b"), Some("你\n"));
        assert_eq!(
            values.to_json(),
            r#"{"b":{"value":"你\n"},"a":{"value":"x\"y"}}"#
        );
        assert_eq!(Values::read("{}").unwrap().to_json(), "{}");
    }

    #[test]
    fn what_is_no_data_is_not_read() {
        let many = (0..=KEYS_MAX).map(|n| (n.to_string(), "x"));
        let many: Values<'_> = many.collect();
        for json in [
            "",
            "[]",
            "7",
            r#"{"a":"x"}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"value":1}}"#,
            &many.to_json(),
        ] {
            assert!(Values::read(json).is_err(), "{json}");
        }
    }
}
