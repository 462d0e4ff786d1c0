//! What is wrong with one message, field by field, gathered rather than answered at the first.
//! It must not know the fields.

use std::borrow::Cow;

use crate::api::error::FieldProblem;

/// A message full of faults need not have them all listed.
const FAULTS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) list: Vec<FieldProblem>,
    /// So many of them lie not in the message but in the moment or the configuration.
    pub(super) passing: usize,
}

impl Faults {
    pub(super) fn add(&mut self, field: impl Into<String>, problem: impl Into<Cow<'static, str>>) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(FieldProblem {
                field: field.into(),
                problem: problem.into().into_owned(),
                rule: None,
            });
        }
    }

    /// Adds a fault that the very same message may have had not or will not have at another moment.
    pub(super) fn add_passing(
        &mut self,
        field: &'static str,
        problem: impl Into<Cow<'static, str>>,
    ) {
        let before = self.list.len();
        self.add(field, problem);
        self.passing += self.list.len() - before;
    }

    /// Adds it unless the field has a fault already.
    pub(super) fn add_once(&mut self, field: &'static str, problem: &'static str) {
        if !self.list.iter().any(|fault| fault.field == field) {
            self.add(field, problem);
        }
    }
}
