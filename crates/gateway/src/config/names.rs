//! What accounts and clients may be called: names stand in URLs, metrics and environment variables.
//! It must not know which of them is being named.

use std::collections::BTreeSet;

use crate::config::problem::Findings;

const LENGTH_MAX: usize = 64;

pub fn require(name: Option<String>, key: &str, findings: &mut Findings) -> Option<String> {
    let Some(name) = name else {
        findings.problem(key, "is missing; give a short name of a-z 0-9 - _");
        return None;
    };
    if let Err(text) = check(&name) {
        findings.problem(key, text);
    }
    Some(name)
}

pub fn check(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > LENGTH_MAX || !name.bytes().all(allowed) {
        return Err(format!(
            "{name:?} is not a name; use 1 to {LENGTH_MAX} of a-z 0-9 - _"
        ));
    }
    Ok(())
}

/// Reports each value that comes up twice, once for each further time.
pub fn refuse_twins<'a>(
    entries: impl Iterator<Item = (String, &'a str)>,
    describe: impl Fn(&str) -> String,
    findings: &mut Findings,
) {
    let mut seen = BTreeSet::new();
    for (key, value) in entries {
        if !seen.insert(value) {
            findings.problem(key, describe(value));
        }
    }
}
