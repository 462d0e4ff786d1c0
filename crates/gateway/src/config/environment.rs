//! The process environment as a plain map, so that everything else takes it as an argument.
//! It must not know which variables mean what.

use std::collections::BTreeMap;

pub type Environment = BTreeMap<String, String>;

/// The one place that reads the environment. Variables that are not UTF-8 are left out: none of ours can be meant.
#[expect(
    clippy::disallowed_methods,
    reason = "the one site; all others are handed this map"
)]
pub fn process_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
