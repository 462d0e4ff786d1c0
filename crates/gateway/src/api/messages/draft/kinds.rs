//! What differs between the kinds of messages in a body: which fields belong to one, and what those hold.
//! It must not know how a kind is sent; the table of kinds is the domain's.

use hongyan_courier::kind::{Extras, Kind, KindField, ONE_TIME_CONTENT_CHARS, ValueRules};
use hongyan_courier::template::violation::{Fault, Violation};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::written::Written;
use crate::api::messages::faults::Faults;
use crate::api::messages::fields::{Field, text};

const PAGE_CHARS_MAX: usize = 1024;
/// WeChat's bound for the title of a one-time message.
const TITLE_CHARS_MAX: usize = 15;
const SCENE_MAX: u16 = 10_000;
const LANGUAGES: [&str; 4] = ["zh_CN", "en_US", "zh_HK", "zh_TW"];
const STATES: [&str; 3] = ["developer", "trial", "formal"];

impl Written<'_> {
    /// The kind as it is read, and whether it is what was meant.
    pub(super) fn kind(&self, faults: &mut Faults) -> (Kind, bool) {
        let field = Field {
            name: "kind",
            chars_max: 32,
        };
        let Some(word) = text(self.kind, field, faults) else {
            return (Kind::Template, self.kind.is_none());
        };
        if let Some(kind) = Kind::from_word(&word) {
            return (kind, true);
        }
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        faults.add("kind", format!("must be one of {}", known.join(", ")));
        (Kind::Template, false)
    }

    /// Every field belongs to the kind, and those that the kind cannot do without are there.
    pub(super) fn check_fields(&self, kind: Kind, faults: &mut Faults) {
        let traits = kind.traits();
        for field in KindField::ALL {
            let given = self.place_of(*field).is_some();
            let name = field.as_str();
            if given && !traits.fields.contains(field) && !is_blank(self.place_of(*field)) {
                let known: Vec<&str> = traits.fields.iter().map(|one| one.as_str()).collect();
                let problem = format!(
                    "a message of kind {kind} has no {name}; it has {}",
                    known.join(", ")
                );
                faults.add(name, problem);
            } else if !given && traits.required.contains(field) {
                faults.add(
                    name,
                    format!("is missing; a message of kind {kind} needs it"),
                );
            }
        }
    }

    /// What the kind has besides. A field of another kind is a fault already, whatever it holds.
    pub(super) fn extras(&self, kind: Kind, faults: &mut Faults) -> Option<Box<Extras>> {
        let own = |field: KindField| {
            let has = kind.traits().fields.contains(&field);
            self.place_of(field).filter(|_| has)
        };
        let short = |field: KindField, chars_max, faults: &mut Faults| {
            let asked = Field {
                name: field.as_str(),
                chars_max,
            };
            text(own(field), asked, faults).map(String::from)
        };
        let extras = Extras {
            page: short(KindField::Page, PAGE_CHARS_MAX, faults),
            lang: word(own(KindField::Lang), (KindField::Lang, &LANGUAGES), faults),
            miniprogram_state: word(
                own(KindField::MiniprogramState),
                (KindField::MiniprogramState, &STATES),
                faults,
            ),
            scene: own(KindField::Scene).and_then(|raw| scene(raw, faults)),
            title: short(KindField::Title, usize::MAX, faults)
                .filter(|title| title_fits(title, faults)),
            override_suppression: false,
        };
        (!extras.is_empty()).then(|| Box::new(extras))
    }

    fn place_of(&self, field: KindField) -> Option<&RawValue> {
        match field {
            KindField::Url => self.url,
            KindField::Miniprogram => self.miniprogram,
            KindField::Page => self.page,
            KindField::Lang => self.lang,
            KindField::MiniprogramState => self.miniprogram_state,
            KindField::Scene => self.scene,
            KindField::Title => self.title,
        }
    }
}

/// Some callers always send these; empty, they say nothing.
fn is_blank(value: Option<&RawValue>) -> bool {
    value.is_none_or(|raw| matches!(raw.get(), "\"\"" | "{}"))
}

/// One of a few words.
fn word(
    value: Option<&RawValue>,
    (field, known): (KindField, &[&str]),
    faults: &mut Faults,
) -> Option<String> {
    let asked = Field {
        name: field.as_str(),
        chars_max: 32,
    };
    let word = text(value, asked, faults)?;
    if !known.contains(&&*word) {
        faults.add(
            field.as_str(),
            format!("must be one of {}", known.join(", ")),
        );
    }
    Some(word.into_owned())
}

fn title_fits(title: &str, faults: &mut Faults) -> bool {
    let length = title.chars().count();
    let fits = length <= TITLE_CHARS_MAX;
    if !fits {
        faults.add_violation(&too_long("title", "title", (length, TITLE_CHARS_MAX)));
    }
    fits
}

fn too_long(field: &str, key_type: &'static str, (counted, most): (usize, usize)) -> Violation {
    Violation {
        field: field.to_owned(),
        key_type: Some(key_type),
        length: Some(counted),
        fault: Fault::TooLong {
            counted,
            most,
            digits: false,
        },
    }
}

/// A number, or the same as text.
fn scene(raw: &RawValue, faults: &mut Faults) -> Option<u16> {
    let digits = raw.get().trim_matches('"');
    let scene = digits.parse().ok().filter(|scene| *scene <= SCENE_MAX);
    if scene.is_none() {
        faults.add_violation(&Violation {
            field: "scene".to_owned(),
            key_type: Some("scene"),
            length: Some(digits.chars().count()),
            fault: Fault::Form {
                english: "a number from 0 to 10000",
                chinese: "0 到 10000 的整数",
            },
        });
    }
    scene
}

#[derive(Deserialize)]
struct OneTimeData {
    content: Option<OneTimeContent>,
}

#[derive(Deserialize)]
struct OneTimeContent {
    value: String,
}

/// A one-time message has one key. `data` is as it was written anew; where that failed there is a fault already.
pub(super) fn check_data(kind: Kind, data: &str, faults: &mut Faults) {
    if kind.traits().values != ValueRules::Content {
        return;
    }
    let Ok(found) = serde_json::from_str::<OneTimeData>(data) else {
        return;
    };
    match found.content.map(|content| content.value.chars().count()) {
        None => faults.add_violation(&Violation {
            field: "data.content".to_owned(),
            key_type: None,
            length: None,
            fault: Fault::NoContent,
        }),
        Some(length) if length > ONE_TIME_CONTENT_CHARS => {
            let lengths = (length, ONE_TIME_CONTENT_CHARS);
            faults.add_violation(&too_long("data.content.value", "content", lengths));
        }
        Some(_) => {}
    }
}
