//! What is wrong with one message, field by field, gathered rather than answered at the first.
//! It must not know the fields.

use std::borrow::Cow;

use hongyan_courier::template::parse::KEYS_MAX;
use hongyan_courier::template::violation::Violation;

use crate::api::error::FieldProblem;
use crate::auth::error::AuthError;

/// A message full of faults need not have them all listed; but of what is wrong with each of its values, and of what its
/// template asks for besides, nothing is left out.
const FAULTS_MAX: usize = 64 + 2 * KEYS_MAX;

/// What is wrong, in English and in Chinese.
pub(super) struct InBoth(Cow<'static, str>, Cow<'static, str>);

pub(super) fn in_both(
    english: impl Into<Cow<'static, str>>,
    chinese: impl Into<Cow<'static, str>>,
) -> InBoth {
    InBoth(english.into(), chinese.into())
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) list: Vec<FieldProblem>,
    /// So many of them lie not in the message but in the moment or the configuration.
    pub(super) passing: usize,
    /// One of them is that its template is in no list; a fresh one may have it.
    pub(super) unlisted: bool,
    /// It names what its caller is not to have to do with. Nothing else is said of it then.
    pub(super) forbidden: Option<AuthError>,
}

impl Faults {
    pub(super) fn add(&mut self, field: impl Into<String>, problem: impl Into<Cow<'static, str>>) {
        if self.list.len() < FAULTS_MAX {
            let problem = problem.into().into_owned();
            self.list.push(FieldProblem::new(field, problem));
        }
    }

    /// Adds a fault that is told in English and Chinese.
    pub(super) fn add_in_both(&mut self, field: &'static str, InBoth(english, chinese): InBoth) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(FieldProblem {
                problem_zh: Some(chinese.into_owned()),
                ..FieldProblem::new(field, english)
            });
        }
    }

    /// Adds what WeChat would refuse: by the templates of the moment, and if the configuration wants it refused here.
    pub(super) fn add_violation(&mut self, violation: &Violation) {
        let known = self.list.iter().any(|fault| fault.field == violation.field);
        if !known && self.list.len() < FAULTS_MAX {
            self.list.push(violation.into());
            self.passing += 1;
        }
    }

    /// Adds a fault that the very same message may have had not or will not have at another moment.
    pub(super) fn add_passing(&mut self, field: &'static str, problem: InBoth) {
        let before = self.list.len();
        self.add_in_both(field, problem);
        self.passing += self.list.len() - before;
    }

    /// Its template may be one that its caller is not to have to do with.
    pub(super) fn forbid_template(&mut self, beyond: bool) {
        if beyond {
            self.forbidden = Some(AuthError::OtherTemplates);
        }
    }

    /// Adds it unless the field has a fault already.
    pub(super) fn add_once(&mut self, field: &'static str, problem: &'static str) {
        if !self.list.iter().any(|fault| fault.field == field) {
            self.add(field, problem);
        }
    }
}
