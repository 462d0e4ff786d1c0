//! A table of a configuration. In `dev` it may hold secrets as they are, so it is wiped when it is let go of, and is not
//! shown. It must not know which of its values are secrets: all are wiped.

use std::fmt;
use std::ops::{Deref, DerefMut};

use secrecy::zeroize::Zeroize;

#[derive(Default)]
pub struct Wiped(toml::Table);

impl Wiped {
    /// What is in it, for somebody else to wipe.
    pub fn take(&mut self) -> toml::Table {
        std::mem::take(&mut self.0)
    }
}

impl From<toml::Table> for Wiped {
    fn from(table: toml::Table) -> Self {
        Self(table)
    }
}

impl Deref for Wiped {
    type Target = toml::Table;

    fn deref(&self) -> &toml::Table {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut toml::Table {
        &mut self.0
    }
}

impl fmt::Debug for Wiped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe_all(&mut self.0);
    }
}

fn wipe_all(table: &mut toml::Table) {
    for (_, value) in table.iter_mut() {
        wipe(value);
    }
}

/// Leaves no text in a value.
pub fn wipe(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => text.zeroize(),
        toml::Value::Array(values) => values.iter_mut().for_each(wipe),
        toml::Value::Table(table) => wipe_all(table),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_table_is_left_or_shown() {
        let text = "a = \"hunter1\"\n[b]\nc = [\"hunter2\", { d = \"hunter3\" }]\ne = 7\n";
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(format!("{:?}", Wiped(table.clone())), r#"{"a", "b"}"#);
        let mut value = toml::Value::Table(table);
        wipe(&mut value);
        let left = value.to_string();
        assert!(!left.contains("hunter") && left.contains("e = 7"), "{left}");
    }
}
