//! The parts of a send that can be judged by looking at the request alone: sizes, the mini-program target, `data`.
//! It knows nothing of accounts, people or time.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::refusal::Denied;

const URL_MAX: usize = 2_083;
const OPENID_LEN: usize = 28;
const TEMPLATE_ID_MAX: usize = 64;

/// Where a tap leads inside WeChat; both parts empty means: nowhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MiniProgram<'a> {
    #[serde(borrow)]
    pub appid: Cow<'a, str>,
    #[serde(borrow)]
    pub pagepath: Cow<'a, str>,
}

pub(crate) fn is_openid(text: &str) -> bool {
    text.len() == OPENID_LEN && text.starts_with('o') && text.bytes().all(is_url_safe)
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

pub(crate) fn template_id_size(template_id: &str) -> Result<(), Denied> {
    if template_id.is_empty() || template_id.len() > TEMPLATE_ID_MAX {
        return Err(Denied::code(40036));
    }
    Ok(())
}

pub(crate) fn targets(url: &str, program: Option<&MiniProgram<'_>>) -> Result<(), Denied> {
    if url.len() > URL_MAX {
        return Err(Denied::code(40039));
    }
    let Some(program) = program else {
        return Ok(());
    };
    if program.appid.is_empty() && program.pagepath.is_empty() {
        return Ok(());
    }
    if program.pagepath.contains("://") || program.pagepath.contains(char::is_whitespace) {
        return Err(Denied::code(40165));
    }
    let hex = program.appid.strip_prefix("wx").unwrap_or("");
    if hex.len() != 16 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Denied::code(40166));
    }
    Ok(())
}

/// `data` must be an object of `{"value": text}`; `wanted` are the keys of a known template.
pub(crate) fn data(json: &str, wanted: &[String]) -> Result<(), Denied> {
    let mut first_wanted = wanted.first().map_or("thing1", String::as_str);
    let Ok(values) = serde_json::from_str::<Values<'_>>(json) else {
        // A JSON string, keys without `{value}` and the like: production calls the first key empty.
        return Err(empty(first_wanted));
    };
    // What the template does not ask for is dropped without a look.
    let asked = |key: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == key);
    let mut faults = values.faults.into_iter();
    if let Some((_, fault)) = faults.find(|(key, _)| asked(key)) {
        return Err(fault);
    }
    for key in wanted.iter().filter(|key| is_demanded(key)) {
        first_wanted = key;
        if !values.keys.iter().any(|given| given == first_wanted) {
            return Err(empty(key));
        }
    }
    Ok(())
}

/// Old templates' first and last line have been dropped silently since May 2023.
fn is_demanded(key: &str) -> bool {
    key != "first" && key != "remark"
}

fn empty(key: &str) -> Denied {
    let text = format!("argument invalid! data.{key}.value is empty");
    Denied::with(47003, text)
}

struct Values<'a> {
    keys: Vec<Cow<'a, str>>,
    faults: Vec<(Cow<'a, str>, Denied)>,
}

#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for Values<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry<'a> {
    #[serde(borrow)]
    Good(Value<'a>),
    Bad(IgnoredAny),
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<'de>, A::Error> {
        let mut values = Values {
            keys: Vec::new(),
            faults: Vec::new(),
        };
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            let entry = map.next_value::<Entry<'de>>()?;
            if is_demanded(&key) {
                let fault = match entry {
                    Entry::Good(Value { value }) => value_fault(&key, &value),
                    Entry::Bad(_) => Some(empty(&key)),
                };
                values
                    .faults
                    .extend(fault.map(|fault| (key.clone(), fault)));
            }
            values.keys.push(key);
        }
        Ok(values)
    }
}

fn value_fault(key: &str, value: &str) -> Option<Denied> {
    let kind = key.trim_end_matches(|end: char| end.is_ascii_digit());
    if value.trim().is_empty() {
        return (kind != "const").then(|| empty(key));
    }
    if kind.len() == key.len() {
        return None;
    }
    // Characters are counted as Unicode scalars; WeChat does not say how it counts.
    let length = value.chars().count();
    let fits = match kind {
        "thing" | "const" => length <= 20,
        "character_string" => length <= 32 && value.is_ascii(),
        "phone_number" => length <= 17,
        "car_number" => length <= 8,
        "phrase" => length <= 5,
        "amount" => value.bytes().filter(u8::is_ascii_digit).count() <= 12 && length <= 16,
        _ => true,
    };
    if fits {
        return None;
    }
    let text = format!("argument invalid! data.{key}.value invalid");
    Some(Denied::with(47003, text))
}
