//! What every command is given: where to write, in which form and language, and the environment.
//! It must not know any command.

use std::io::{self, Write};

use crate::config::environment::Environment;

pub struct Context<'a> {
    pub json: bool,
    pub lang: Lang,
    pub environment: &'a Environment,
    pub out: &'a mut dyn Write,
}

impl Context<'_> {
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    pub fn value(&mut self, value: &serde_json::Value) -> io::Result<()> {
        writeln!(self.out, "{value:#}")
    }
}

/// The language of what is written for people; English unless the environment says Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    En,
    Zh,
}

impl Lang {
    /// POSIX order: the first of these that is set decides.
    pub fn from_environment(environment: &Environment) -> Self {
        let set = |name: &&str| environment.get(*name).filter(|value| !value.is_empty());
        match ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set) {
            Some(value) if value.starts_with("zh") => Self::Zh,
            _ => Self::En,
        }
    }

    pub fn pick<'t>(self, english: &'t str, chinese: &'t str) -> &'t str {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_language() {
        for (variables, lang) in [
            (vec![], Lang::En),
            (vec![("LANG", "zh_CN.UTF-8")], Lang::Zh),
            (vec![("LANG", "de_DE.UTF-8")], Lang::En),
            (vec![("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")], Lang::En),
            (vec![("LANG", "zh_CN.UTF-8"), ("LC_ALL", "")], Lang::Zh),
        ] {
            let environment = variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(Lang::from_environment(&environment), lang, "{variables:?}");
        }
    }
}
