//! The `data` of a message: looked at key by key and written anew the way WeChat wants it, colours left out.
//! It must not know templates: whether keys and values fit one is checked after this.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::faults::Faults;
use super::text::{Text, push_json_string};

/// WeChat cuts values after 20 to 40 characters on display; what is longer than this is no text for a message.
const VALUE_BYTES_MAX: usize = 4 * 1024;
const KEY_CHARS_MAX: usize = 64;
const KEYS_MAX: usize = 64;

/// Reads `data` and writes it as `{"key":{"value":"text"}}`.
pub(super) fn rewrite(raw: &RawValue, faults: &mut Faults) -> String {
    let mut out = String::with_capacity(raw.get().len() + 16);
    let mut walk = Walk {
        out: &mut out,
        faults,
        keys: 0,
        names: Vec::new(),
    };
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    if (&mut reader).deserialize_map(&mut walk).is_err() {
        faults.add("data", "must be an object of key → {\"value\": …}");
    }
    out
}

struct Walk<'a> {
    out: &'a mut String,
    faults: &'a mut Faults,
    keys: usize,
    /// Where in `out` each key stands, as it is written there.
    names: Vec<Range<usize>>,
}

impl<'de> Visitor<'de> for &mut Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.out.push('{');
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let entry: &RawValue = map.next_value()?;
            self.entry(&key, entry);
        }
        self.out.push('}');
        if self.keys == 0 {
            self.faults.add("data", "has no keys; give at least one");
        } else if self.keys > KEYS_MAX {
            self.faults
                .add("data", format!("has more than {KEYS_MAX} keys"));
        }
        Ok(())
    }
}

impl Walk<'_> {
    fn entry(&mut self, key: &str, entry: &RawValue) {
        self.keys += 1;
        // Past the bound they are only counted; the whole is refused.
        if self.keys > KEYS_MAX {
            return;
        }
        if key.is_empty()
            || key.chars().count() > KEY_CHARS_MAX
            || key.chars().any(char::is_control)
        {
            let text = format!(
                "a key must have 1 to {KEY_CHARS_MAX} characters and no control characters"
            );
            self.faults.add("data", text);
            return;
        }
        let value = match serde_json::from_str::<Entry<'_>>(entry.get()) {
            Ok(Entry { twice: true, .. }) => {
                let text = "comes more than once";
                return self.faults.add(format!("data.{key}.value"), text);
            }
            Ok(Entry {
                value: Some(value), ..
            }) => value,
            Ok(Entry { value: None, .. }) => {
                return self.faults.add(format!("data.{key}.value"), "is missing");
            }
            Err(_) => {
                let text = "must be an object such as {\"value\": \"text\"}";
                return self.faults.add(format!("data.{key}"), text);
            }
        };
        if self.keys > 1 {
            self.out.push(',');
        }
        if !self.name(key) {
            let text = "comes more than once";
            return self.faults.add(format!("data.{key}"), text);
        }
        self.out.push_str(":{\"value\":");
        if let Err(fault) = push_value(self.out, value) {
            self.faults.add(format!("data.{key}.value"), fault);
        }
        self.out.push('}');
    }
}

impl Walk<'_> {
    /// Writes a key. Answers whether it is the first of its name: which of two would WeChat show?
    fn name(&mut self, key: &str) -> bool {
        let start = self.out.len();
        push_json_string(self.out, key);
        let (before, name) = self.out.split_at(start);
        // At most 64, and mostly five: looking along them is faster than hashing.
        let known = self
            .names
            .iter()
            .any(|place| &before[place.clone()] == name);
        self.names.push(start..self.out.len());
        !known
    }
}

/// `{"value": …}`; a colour and whatever else is there is dropped, as WeChat does.
struct Entry<'a> {
    value: Option<&'a RawValue>,
    /// Whether there are two values, of which other readers may take the first.
    twice: bool,
}

impl<'de> serde::Deserialize<'de> for Entry<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Entry<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<'de>, A::Error> {
                let (mut value, mut twice) = (None, false);
                while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                    if key == "value" {
                        twice |= value.replace(map.next_value()?).is_some();
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Entry { value, twice })
            }
        }
        reader.deserialize_map(Fields)
    }
}

fn push_value(out: &mut String, value: &RawValue) -> Result<(), Cow<'static, str>> {
    let raw = value.get();
    if raw.len() > VALUE_BYTES_MAX {
        return Err(format!("is longer than {VALUE_BYTES_MAX} bytes").into());
    }
    match raw.as_bytes().first() {
        Some(b'"') if raw.contains('\\') => {
            // Escapes are written out: WeChat refuses `\u` escapes on some endpoints, and NUL may hide behind one.
            let text: String =
                serde_json::from_str(raw).map_err(|_| "is not valid Unicode text")?;
            if text.contains('\0') {
                return Err("must not contain NUL".into());
            }
            push_json_string(out, &text);
            Ok(())
        }
        Some(b'"') => {
            out.push_str(raw);
            Ok(())
        }
        // WeChat takes text alone.
        Some(b'-' | b'0'..=b'9') => {
            out.push('"');
            out.push_str(raw);
            out.push('"');
            Ok(())
        }
        _ => Err("must be text or a number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str) -> (String, Vec<String>) {
        let raw: &RawValue = serde_json::from_str(data).unwrap();
        let mut faults = Faults::default();
        let text = rewrite(raw, &mut faults);
        (
            text,
            faults
                .list
                .into_iter()
                .map(|f| format!("{}: {}", f.field, f.problem))
                .collect(),
        )
    }

    #[test]
    fn data_is_written_one_way() {
        for (given, kept) in [
            (r#"{"a":{"value":"x"}}"#, r#"{"a":{"value":"x"}}"#),
            (
                r##"{ "a" : { "value" : "x", "color" : "#173177" } }"##,
                r#"{"a":{"value":"x"}}"#,
            ),
            (
                r#"{"a":{"value":42},"b":{"value":-1.5}}"#,
                r#"{"a":{"value":"42"},"b":{"value":"-1.5"}}"#,
            ),
            (
                r#"{"a":{"value":"\u4f60\u597d \"q\" \n"}}"#,
                r#"{"a":{"value":"你好 \"q\" \n"}}"#,
            ),
            (r#"{"\u0061":{"value":""}}"#, r#"{"a":{"value":""}}"#),
        ] {
            assert_eq!(check(given), (kept.to_owned(), vec![]), "{given}");
        }
    }

    #[test]
    fn each_fault_names_its_key() {
        for (given, fault) in [
            ("{}", "data: has no keys; give at least one"),
            ("[]", "data: must be an object of key → {\"value\": …}"),
            ("7", "data: must be an object of key → {\"value\": …}"),
            (
                r#"{"a":"x"}"#,
                r#"data.a: must be an object such as {"value": "text"}"#,
            ),
            (r#"{"a":{}}"#, "data.a.value: is missing"),
            (
                r#"{"a":{"value":"x"},"b":{"value":"y"},"\u0061":{"value":"z"}}"#,
                "data.a: comes more than once",
            ),
            (
                r#"{"a":{"value":"x","value":"x"}}"#,
                "data.a.value: comes more than once",
            ),
            (
                r#"{"a":{"value":null}}"#,
                "data.a.value: must be text or a number",
            ),
            (
                r#"{"a":{"value":"\u0000"}}"#,
                "data.a.value: must not contain NUL",
            ),
            (
                r#"{"a":{"value":"\ud800"}}"#,
                "data.a.value: is not valid Unicode text",
            ),
        ] {
            assert_eq!(check(given).1, [fault], "{given}");
        }
        let long = format!(r#"{{"a":{{"value":"{}"}}}}"#, "x".repeat(VALUE_BYTES_MAX));
        assert_eq!(check(&long).1, ["data.a.value: is longer than 4096 bytes"]);
    }
}
