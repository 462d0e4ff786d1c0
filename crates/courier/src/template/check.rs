//! Whether a message's values fit its template: what WeChat would refuse, and what it would drop or cut without a word.
//! It must not know how the answer is told, nor look at anything but its arguments.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::measure::Counting;
use super::rules::{Cut, Rule, rule_of, shown};
use super::values::Values;
use super::violation::{About, Fault, Violation, Warning};
use super::{Template, is_dropped};
use crate::message::{Kind, words};

words! {
    /// What becomes of a message of which WeChat would refuse a value.
    OnViolation {
        /// It is not taken.
        Reject = "reject",
        /// Texts that are too long are cut, which is a warning; whatever cutting cannot mend is not taken.
        Truncate = "truncate",
        /// It is sent as it is, with a warning: for who knows better than these rules.
        Send = "send",
    }
}

/// How a message is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Its kind: the endpoints' rules differ.
    pub kind: Kind,
    /// What becomes of a violation.
    pub on_violation: OnViolation,
    /// How characters are counted.
    pub counting: Counting,
}

impl Terms {
    /// Violations are refused and Unicode scalar values counted.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            on_violation: OnViolation::Reject,
            counting: Counting::Scalars,
        }
    }
}

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<'a> {
    /// What is to be sent: the values that were given, some of them cut if that was wanted.
    pub values: Values<'a>,
    /// Why the message is not to be taken, one for each field; empty if it is.
    pub violations: Vec<Violation>,
    /// What its sender should know although it is taken.
    pub warnings: Vec<Warning>,
}

impl Checked<'_> {
    /// Whether a value was cut, so that what is sent is not what was given.
    #[must_use]
    pub fn truncated(&self) -> bool {
        let cut = |warning: &Warning| matches!(warning.about, About::Truncated { .. });
        self.warnings.iter().any(cut)
    }
}

/// Checks values against a template.
#[must_use]
pub fn check<'a>(template: &Template, mut values: Values<'a>, terms: Terms) -> Checked<'a> {
    let mut found = Found::default();
    for (key, text) in values.texts_mut() {
        found.value(template, key, text, terms);
    }
    for key in template.demanded().filter(|key| values.get(key).is_none()) {
        let given = values.iter().map(|(given, _)| given);
        let given = given
            .filter(|given| is_nearly(given, key))
            .map(str::to_owned);
        found.violations.push(Violation {
            field: format!("data.{key}"),
            key_type: rule_of(key).map(|rule| rule.key_type),
            length: None,
            fault: Fault::Missing {
                given: given.last(),
            },
        });
    }
    if terms.on_violation == OnViolation::Send {
        let anyway = |violation: Violation| Warning {
            field: violation.field.clone(),
            about: About::SentAnyway(Box::new(violation)),
        };
        found
            .warnings
            .extend(found.violations.drain(..).map(anyway));
    }
    Checked {
        values,
        violations: found.violations,
        warnings: found.warnings,
    }
}

#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
    warnings: Vec<Warning>,
}

impl Found {
    fn value(&mut self, template: &Template, key: &str, text: &mut Cow<'_, str>, terms: Terms) {
        if is_dropped(key) {
            return self.warn(format!("data.{key}"), About::Dropped);
        }
        if !template.keys().iter().any(|known| known == key) {
            return self.warn(format!("data.{key}"), About::Unasked);
        }
        let rule = rule_of(key);
        let field = || format!("data.{key}.value");
        if let Some(fault) = fault(template, key, text, terms) {
            let cut = rule.and_then(|rule| truncated(rule, text, terms));
            // Cutting mends nothing but length.
            let cut = cut.filter(|cut| {
                matches!(fault, Fault::TooLong { .. })
                    && self::fault(template, key, cut, terms).is_none()
            });
            let Some(cut) = cut else {
                return self.violations.push(Violation {
                    field: field(),
                    key_type: rule.map(|rule| rule.key_type),
                    length: Some(terms.counting.length(text)),
                    fault,
                });
            };
            let to = cut.clone();
            let from = std::mem::replace(text, Cow::Owned(cut)).into_owned();
            return self.warn(field(), About::Truncated { from, to });
        }
        if template.is_old() {
            let seen = shown(text, terms.counting);
            if seen != text.trim_end_matches(['\r', '\n']) {
                let (shown, length) = (terms.counting.length(seen), terms.counting.length(text));
                self.warn(field(), About::CutOnDisplay { shown, length });
            }
        }
    }

    fn warn(&mut self, field: String, about: About) {
        self.warnings.push(Warning { field, about });
    }
}

fn fault(template: &Template, key: &str, text: &str, terms: Terms) -> Option<Fault> {
    let rule = rule_of(key);
    if text.trim().is_empty() {
        let allowed = rule.is_some_and(|rule| rule.empty);
        return (!allowed).then_some(Fault::Empty);
    }
    if let Some(choices) = template.choices.get(key)
        && !choices.iter().any(|choice| choice == text)
    {
        return Some(Fault::NotAChoice {
            choices: choices.clone(),
        });
    }
    let rule = rule?;
    let bound = rule.bound(terms.kind)?;
    if !(rule.shape.fits)(text) {
        return Some(Fault::form(rule));
    }
    let measured = bound.measure(text, terms.counting)?;
    (measured.0 > measured.1).then(|| Fault::too_long(bound, measured))
}

/// The text cut to what its rule allows, mark included; none if it is not to be cut.
fn truncated(rule: &Rule, text: &str, terms: Terms) -> Option<String> {
    let Cut::Mark(mark) = rule.cut else {
        return None;
    };
    if terms.on_violation != OnViolation::Truncate {
        return None;
    }
    let (_, most) = rule.bound(terms.kind)?.measure(text, terms.counting)?;
    let room = most.saturating_sub(terms.counting.length(mark));
    Some(format!("{}{mark}", terms.counting.beginning(text, room)))
}

/// Whether `given` is what WeChat's documents or a stray blank make of `key`.
fn is_nearly(given: &str, key: &str) -> bool {
    let given = given.trim();
    given.strip_suffix(".DATA").unwrap_or(given) == key
}

#[cfg(test)]
mod tests;
