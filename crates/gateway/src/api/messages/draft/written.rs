//! The fields of a message as they stand in its body, none read yet; each comes once, and none is unknown.
//! It must not judge a value.

use std::fmt;

use hongyan_courier::kind::{Kind, KindField};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::error::FieldProblem;
use crate::api::messages::text::Text;

pub(in crate::api) const KNOWN: [&str; 19] = [
    "touser",
    "template_id",
    "data",
    "url",
    "miniprogram",
    "page",
    "lang",
    "miniprogram_state",
    "scene",
    "title",
    "client_msg_id",
    "account",
    "kind",
    "priority",
    "send_at",
    "expires_at",
    "reference",
    "on_violation",
    "override_suppression",
];

/// Colours of the card: WeChat took them once and ignores them now.
pub(in crate::api) const IGNORED: [&str; 2] = ["topcolor", "color"];

const TWICE: &str = "comes more than once";

/// The values as they stand in the body; `null` counts as absent.
#[derive(Default)]
pub(super) struct Written<'a> {
    pub(super) touser: Option<&'a RawValue>,
    pub(super) template_id: Option<&'a RawValue>,
    pub(super) data: Option<&'a RawValue>,
    pub(super) url: Option<&'a RawValue>,
    pub(super) miniprogram: Option<&'a RawValue>,
    pub(super) page: Option<&'a RawValue>,
    pub(super) lang: Option<&'a RawValue>,
    pub(super) miniprogram_state: Option<&'a RawValue>,
    pub(super) scene: Option<&'a RawValue>,
    pub(super) title: Option<&'a RawValue>,
    pub(super) client_msg_id: Option<&'a RawValue>,
    pub(super) account: Option<&'a RawValue>,
    pub(super) kind: Option<&'a RawValue>,
    pub(super) priority: Option<&'a RawValue>,
    pub(super) send_at: Option<&'a RawValue>,
    pub(super) expires_at: Option<&'a RawValue>,
    pub(super) reference: Option<&'a RawValue>,
    pub(super) on_violation: Option<&'a RawValue>,
    pub(super) override_suppression: Option<&'a RawValue>,
    /// Fields that do not belong here, or are here already.
    pub(super) misplaced: Vec<FieldProblem>,
}

impl<'a> Written<'a> {
    fn place(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "touser" => &mut self.touser,
            "template_id" => &mut self.template_id,
            "data" => &mut self.data,
            "url" => &mut self.url,
            "miniprogram" => &mut self.miniprogram,
            "page" => &mut self.page,
            "lang" => &mut self.lang,
            "miniprogram_state" => &mut self.miniprogram_state,
            "scene" => &mut self.scene,
            "title" => &mut self.title,
            "client_msg_id" => &mut self.client_msg_id,
            "account" => &mut self.account,
            "kind" => &mut self.kind,
            "priority" => &mut self.priority,
            "send_at" => &mut self.send_at,
            "expires_at" => &mut self.expires_at,
            "reference" => &mut self.reference,
            "on_violation" => &mut self.on_violation,
            "override_suppression" => &mut self.override_suppression,
            _ => return None,
        })
    }

    /// Passes over what WeChat would: fields that it does not know, and those of other kinds.
    pub(super) fn leave_out_foreign(&mut self, kind: Kind) {
        self.misplaced.retain(|fault| fault.problem == TWICE);
        for field in KindField::ALL {
            if !kind.traits().fields.contains(field)
                && let Some(place) = self.place(field.as_str())
            {
                *place = None;
            }
        }
    }

    fn put(&mut self, name: &str, value: &'a RawValue) {
        match self.place(name) {
            // Whoever checked the message before us may have gone by the other one.
            Some(Some(_)) => self.misplaced(name, TWICE.to_owned()),
            Some(place) => *place = Some(value).filter(|value| value.get() != "null"),
            None if IGNORED.contains(&name) => {}
            None => self.unknown(name),
        }
    }

    fn unknown(&mut self, name: &str) {
        if self.misplaced.len() < KNOWN.len() {
            self.misplaced
                .push(unknown_field(name, "a message", &KNOWN));
        }
    }

    fn misplaced(&mut self, name: &str, problem: String) {
        if self.misplaced.len() < KNOWN.len() {
            self.misplaced.push(FieldProblem::new(shown(name), problem));
        }
    }
}

/// A field that `what` does not have, told with the one that may be meant or with those that there are.
pub(in crate::api) fn unknown_field(name: &str, what: &str, known: &[&str]) -> FieldProblem {
    // A long one is none of them, and would take long to compare.
    let name = shown(name);
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&name, known), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3);
    let problem = match nearest {
        Some((_, nearest)) => format!("is not a field of {what}; did you mean {nearest}?"),
        None => format!("is not a field of {what}; known: {}", known.join(", ")),
    };
    FieldProblem::new(name, problem)
}

/// As much of a name as is told.
fn shown(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    name.chars().take(SHOWN_CHARS_MAX).collect()
}

impl<'de> Deserialize<'de> for Written<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Written<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written<'de>, A::Error> {
                let mut written = Written::default();
                while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
                    written.put(&name, map.next_value()?);
                }
                Ok(written)
            }
        }
        reader.deserialize_map(Fields)
    }
}
