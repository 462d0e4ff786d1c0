//! Whether a message fits its template, as far as the template is known, and what becomes of one that does not.
//! It must not know the rules, nor ask anybody for a list.

use hongyan_courier::kind::ValueRules;
use hongyan_courier::message::AccountName;
use hongyan_courier::template::Template;
use hongyan_courier::template::book::Lookup;
use hongyan_courier::template::check::{OnViolation, Terms, check};
use hongyan_courier::template::is_dropped;
use hongyan_courier::template::rules::rule_of;
use hongyan_courier::template::values::Values;
use hongyan_courier::template::violation::{About, Fault, Violation, Warning};

use super::Surroundings;
use crate::api::messages::faults::Faults;

pub(super) struct Fit {
    terms: Terms,
    /// As the sender reads them.
    pub(super) warnings: Vec<String>,
}

impl Fit {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            warnings: Vec::new(),
        }
    }

    /// What becomes of what WeChat would refuse.
    pub(super) fn judge(&mut self, violations: &[Violation], faults: &mut Faults) {
        if self.terms.on_violation == OnViolation::Send {
            return self.warn_of(violations);
        }
        for violation in violations {
            faults.add_violation(violation);
        }
    }

    fn warn_of(&mut self, violations: &[Violation]) {
        for violation in violations {
            let about = About::SentAnyway(Box::new(violation.clone()));
            self.warn(&violation.field, about);
        }
    }

    /// Checks the data of a message; where that is wanted, too long texts in it are cut.
    pub(super) fn template(
        &mut self,
        around: Surroundings<'_>,
        (account, template_id): (&AccountName, &str),
        data: &mut String,
        faults: &mut Faults,
    ) {
        let known = around.lists.known(account);
        let kind = self.terms.kind;
        let violation = |field: &str, fault| Violation {
            field: field.to_owned(),
            key_type: None,
            length: None,
            fault,
        };
        match known.look_up(kind, template_id) {
            Lookup::Known(template) => self.values(&template, data, Some(faults), |_| true),
            // It goes through; what its keys' names say against it is a warning.
            Lookup::Unchecked => self.unlisted(data, None),
            Lookup::Unverified => self.unverified(data, faults),
            Lookup::OfOtherKind(list) => {
                self.judge(&[violation("kind", Fault::OtherKind(list))], faults);
            }
            Lookup::Unknown => {
                let looked_for = around.lists.was_looked_for(account, kind, template_id);
                let is_gone = known.stops.contains_key(template_id);
                if around.asked && !looked_for && !is_gone {
                    self.unverified(data, faults);
                } else {
                    faults.unlisted = !looked_for;
                    let unknown = violation("template_id", Fault::UnknownTemplate);
                    self.judge(&[unknown], faults);
                }
            }
        }
        if let Some(stop) = known.stops.get(template_id) {
            self.warn("template_id", About::Stopped(stop.cause));
        }
    }

    /// It may be new, and nobody can say whether it is.
    fn unverified(&mut self, data: &mut String, faults: &mut Faults) {
        self.warn("template_id", About::Unverified);
        self.unlisted(data, Some(faults));
    }

    fn values(
        &mut self,
        template: &Template,
        data: &mut String,
        faults: Option<&mut Faults>,
        told_of: impl Fn(&Warning) -> bool,
    ) {
        // What is no data has been told as such.
        let Ok(values) = Values::read(data) else {
            return;
        };
        let checked = check(template, values, self.terms);
        let warnings = checked.warnings.iter().filter(|warning| told_of(warning));
        self.warnings.extend(warnings.map(Warning::told));
        let cut = checked.truncated().then(|| checked.values.to_json());
        match faults {
            Some(faults) => {
                for violation in &checked.violations {
                    faults.add_violation(violation);
                }
            }
            None => self.warn_of(&checked.violations),
        }
        if let Some(cut) = cut {
            *data = cut;
        }
    }

    fn unlisted(&mut self, data: &mut String, faults: Option<&mut Faults>) {
        match self.terms.kind.traits().values {
            ValueRules::Template => self.dropped(data),
            ValueRules::Subscription => self.types(data, faults),
            ValueRules::Content => {}
        }
    }

    /// Of a subscription template that is not known, a key's name still says what its value may be.
    fn types(&mut self, data: &mut String, faults: Option<&mut Faults>) {
        let Ok(values) = Values::read(data) else {
            return;
        };
        let keys = values.iter().map(|(key, _)| key);
        let text: String = keys
            .filter(|key| rule_of(key).is_some())
            .map(|key| format!("{{{{{key}.DATA}}}}"))
            .collect();
        if text.is_empty() {
            return;
        }
        // What else the template asks for, nobody knows.
        let known = |warning: &Warning| warning.about != About::Unasked;
        self.values(&Template::new("", "", text), data, faults, known);
    }

    /// Of the keys of an unknown template only those are known that WeChat always drops.
    fn dropped(&mut self, data: &str) {
        if !data.contains("\"first\"") && !data.contains("\"remark\"") {
            return;
        }
        let Ok(values) = Values::read(data) else {
            return;
        };
        for (key, _) in values.iter().filter(|(key, _)| is_dropped(key)) {
            self.warn(&format!("data.{key}"), About::Dropped);
        }
    }

    fn warn(&mut self, field: &str, about: About) {
        let field = field.to_owned();
        self.warnings.push(Warning { field, about }.told());
    }
}
