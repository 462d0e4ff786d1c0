//! Which keys a configuration may have, taken from the structs themselves, and the nearest known one to a wrong one.
//! It must not know what a key means or which values it may have.

use serde::de::{Deserialize, Deserializer, Error, Visitor, value};

use crate::config::accounts::AccountFile;
use crate::config::clients::ClientFile;
use crate::config::consumers::ConsumerFile;
use crate::config::delivery::Delivery;
use crate::config::include::INCLUDE;
use crate::config::jwt::JwtFile;
use crate::config::layers::Layer;
use crate::config::limits::Limits;
use crate::config::oauth::OauthFile;
use crate::config::problem::{Findings, Problem};
use crate::config::quota::{QuietHoursFile, Quota};
use crate::config::recipients::{RecipientLimitFile, Recipients};
use crate::config::retention::Retention;
use crate::config::secret_sources::{Age, Consul, Kms, Nacos, Vault};
use crate::config::server::Server;
use crate::config::store::{Shared, Store};
use crate::config::templates::Templates;
use crate::config::upstream::Upstream;
use crate::config::webhooks::WebhookFile;

type Fields = fn() -> &'static [&'static str];

pub const SECTIONS: [(&str, Fields); 15] = [
    ("server", fields_of::<Server>),
    ("store", fields_of::<Store>),
    ("shared", fields_of::<Shared>),
    ("delivery", fields_of::<Delivery>),
    ("upstream", fields_of::<Upstream>),
    ("quota", fields_of::<Quota>),
    ("templates", fields_of::<Templates>),
    ("recipients", fields_of::<Recipients>),
    ("retention", fields_of::<Retention>),
    ("limits", fields_of::<Limits>),
    ("age", fields_of::<Age>),
    ("vault", fields_of::<Vault>),
    ("kms", fields_of::<Kms>),
    ("nacos", fields_of::<Nacos>),
    ("consul", fields_of::<Consul>),
];

pub const LISTS: [(&str, Fields); 5] = [
    ("accounts", fields_of::<AccountFile>),
    ("clients", fields_of::<ClientFile>),
    ("jwt", fields_of::<JwtFile>),
    ("webhooks", fields_of::<WebhookFile>),
    ("oauth", fields_of::<OauthFile>),
];

/// Lists of tables inside an element of a list.
const NESTED: [(&str, &str, Fields); 3] = [
    ("accounts", "consumers", fields_of::<ConsumerFile>),
    ("accounts", "quiet_hours", fields_of::<QuietHoursFile>),
    (
        "accounts",
        "recipient_limits",
        fields_of::<RecipientLimitFile>,
    ),
];

/// Reports the layer's unknown and misshapen keys and drops them, so that the rest can be checked all the same.
pub fn keep_known(layer: &mut Layer, findings: &mut Findings) {
    let label = layer.label.clone();
    let mut report = |key: String, text: String| {
        findings.problems.push(Problem {
            key,
            layer: Some(label.clone()),
            text,
            away: false,
        });
    };
    let entries = layer.table.take();
    let entries = entries.into_iter().filter_map(|(name, mut value)| {
        if let Some((_, fields)) = SECTIONS.iter().find(|(section, _)| *section == name) {
            let Some(table) = value.as_table_mut() else {
                report(
                    name.clone(),
                    format!("is a table; write [{name}] and its keys below"),
                );
                return None;
            };
            table.retain(|key, _| known(&name, &name, key, fields(), &mut report));
        } else if let Some((_, fields)) = LISTS.iter().find(|(list, _)| *list == name) {
            let Some(tables) = tables_of(&mut value) else {
                report(
                    name.clone(),
                    format!("is a list of tables; write [[{name}]] and its keys below, in a file"),
                );
                return None;
            };
            for (index, table) in tables.into_iter().enumerate() {
                let shown = element(&name, index, table);
                table.retain(|key, _| known(&name, &shown, key, fields(), &mut report));
                keep_known_inside(table, &name, &shown, &mut report);
            }
        } else if name != INCLUDE {
            report(name.clone(), unknown("", &name, &top_level()));
            return None;
        }
        Some((name, value))
    });
    layer.table = entries.collect::<toml::Table>().into();
}

/// The same of the lists inside an element. What is no list of tables is told of when it is read.
fn keep_known_inside(
    element: &mut toml::Table,
    list: &str,
    shown: &str,
    report: &mut impl FnMut(String, String),
) {
    for (_, inside, fields) in NESTED.iter().filter(|(outer, ..)| *outer == list) {
        let tables = element.get_mut(*inside).and_then(tables_of);
        for (nth, table) in tables.into_iter().flatten().enumerate() {
            let (owner, shown) = (
                format!("{list}.{inside}"),
                format!("{shown}.{inside}[{nth}]"),
            );
            table.retain(|key, _| known(&owner, &shown, key, fields(), report));
        }
    }
}

/// How messages call an element of a list: by its name where it has one.
pub fn element(list: &str, index: usize, table: &toml::Table) -> String {
    match table
        .get("name")
        .or_else(|| table.get("id"))
        .and_then(toml::Value::as_str)
    {
        Some(name) => format!("{list}[{name}]"),
        None => format!("{list}[{index}]"),
    }
}

/// The keys that serde would read into `T`, without reading anything: one truth for struct, check and hint.
fn fields_of<T: Deserialize<'static>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // The probe answers every request with an error; what it was asked for is the result.
    let _ = T::deserialize(FieldProbe {
        fields: &mut fields,
    });
    fields
}

struct FieldProbe<'a> {
    fields: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for FieldProbe<'_> {
    type Error = value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.fields = fields;
        Err(value::Error::custom("only the field names were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(value::Error::custom("only structs have field names"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn tables_of(value: &mut toml::Value) -> Option<Vec<&mut toml::Table>> {
    value
        .as_array_mut()?
        .iter_mut()
        .map(toml::Value::as_table_mut)
        .collect()
}

fn known(
    owner: &str,
    shown: &str,
    key: &str,
    fields: &[&str],
    report: &mut impl FnMut(String, String),
) -> bool {
    if !fields.contains(&key) {
        report(format!("{shown}.{key}"), unknown(owner, key, fields));
    }
    fields.contains(&key)
}

fn unknown(owner: &str, key: &str, siblings: &[&str]) -> String {
    let prefix = if owner.is_empty() {
        String::new()
    } else {
        format!("{owner}.")
    };
    match nearest(key, siblings) {
        Some(name) => format!("unknown key; did you mean {prefix}{name}?"),
        None => match elsewhere(key) {
            Some(path) => format!("unknown key; did you mean {path}?"),
            None => format!("unknown key; known here: {}", siblings.join(", ")),
        },
    }
}

/// The known name that differs least, if it differs little enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let bound = (name.chars().count() / 3).max(2);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn elsewhere(key: &str) -> Option<String> {
    SECTIONS
        .iter()
        .chain(&LISTS)
        .find(|(_, fields)| fields().contains(&key))
        .map(|(section, _)| format!("{section}.{key}"))
}

fn top_level() -> Vec<&'static str> {
    SECTIONS
        .iter()
        .chain(&LISTS)
        .map(|(name, _)| *name)
        .chain([INCLUDE])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_file_has_every_key_of_every_section() {
        let text = include_str!("default.toml");
        let defaults: toml::Table = text.parse().unwrap();
        for (section, fields) in SECTIONS {
            let table = defaults[section].as_table().unwrap();
            let (_, lines) = text.split_once(&format!("\n[{section}]\n")).unwrap();
            let lines = lines.split("\n[").next().unwrap();
            for field in fields() {
                // Without a default of its own it is explained in a line that is commented out.
                let explained = format!("\n{lines}").contains(&format!("\n# {field} = "));
                assert!(
                    explained || table.contains_key(*field),
                    "default.toml lacks {section}.{field}"
                );
            }
        }
        for (list, fields) in LISTS {
            for field in fields() {
                let line = format!("\n# {field} = ");
                assert!(
                    include_str!("default.toml").contains(&line),
                    "default.toml does not explain {list}.{field}"
                );
            }
        }
    }

    #[test]
    fn the_nearest_key_is_near() {
        assert_eq!(
            nearest("lissten", &["listen", "ops_listen"]),
            Some("listen")
        );
        assert_eq!(nearest("banana", &["listen", "ops_listen"]), None);
        assert_eq!(
            elsewhere("concurrency").as_deref(),
            Some("delivery.concurrency")
        );
    }
}
