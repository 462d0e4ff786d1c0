//! What is wrong with a configuration: every problem names its key, the layer it came from and what to do.
//! It must not know any configuration key, and a problem never holds the value of a secret.

use std::collections::BTreeMap;
use std::fmt;

use crate::secrets::keyring::SecretError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub layer: Option<String>,
    pub text: String,
    /// Whether nothing is known to be wrong: somebody who was asked did not answer.
    pub away: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(layer) = &self.layer {
            write!(f, " ({layer})")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// All problems of one configuration, so that nobody has to fix them one start at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(f, "configuration: {only}"),
            all => {
                write!(f, "configuration: {} problems", all.len())?;
                all.iter()
                    .try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}

impl Problems {
    /// Whether nothing is known to be wrong: those who were asked did not answer, and may later.
    #[must_use]
    pub fn away(&self) -> bool {
        self.0.iter().all(|problem| problem.away)
    }
}

/// Problems and warnings while they are gathered; knows which layer each key came from.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
    pub layers: BTreeMap<String, String>,
}

impl Findings {
    pub fn problem(&mut self, key: impl Into<String>, text: impl Into<String>) {
        let problem = self.at(key.into(), text.into());
        self.problems.push(problem);
    }

    /// What is kept elsewhere could not be had.
    pub fn unread(&mut self, key: impl Into<String>, error: &SecretError) {
        let mut problem = self.at(key.into(), error.to_string());
        problem.away = error.away();
        self.problems.push(problem);
    }

    pub fn warning(&mut self, key: impl Into<String>, text: impl Into<String>) {
        let warning = self.at(key.into(), text.into());
        self.warnings.push(warning);
    }

    /// Requires `low <= value <= high`; `show` writes a value as the user would.
    pub fn require_range<T: PartialOrd + Copy>(
        &mut self,
        key: &str,
        value: T,
        (low, high): (T, T),
        show: impl Fn(T) -> String,
    ) {
        if value < low || value > high {
            let text = format!(
                "{} is out of range; use {} to {}",
                show(value),
                show(low),
                show(high)
            );
            self.problem(key, text);
        }
    }

    fn at(&self, key: String, text: String) -> Problem {
        // A list belongs to one layer as a whole, so `accounts[clinic].secret` is looked up as `accounts`.
        let owner = key.split('[').next().unwrap_or(&key);
        let layer = self.layers.get(owner).cloned();
        Problem {
            key,
            layer,
            text,
            away: false,
        }
    }
}
