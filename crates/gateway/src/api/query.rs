//! The query of a request as named values, each taken once; what nobody takes is refused.
//! It must not know which names exist.

use std::str::FromStr;

use http::Uri;

use crate::api::error::Problem;
use crate::api::moments::moment_called;
use crate::api::page;
use hongyan_courier::time::UnixMs;

/// More pairs than any route has names.
const PAIRS_MAX: usize = 64;

#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(uri: &Uri) -> Result<Self, Problem> {
        if uri.query().is_none() {
            return Ok(Self(Vec::new()));
        }
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::malformed("the query cannot be read"))?;
        if pairs.0.len() > PAIRS_MAX {
            return Err(Problem::malformed("the query has too many parts"));
        }
        Ok(Self(pairs.0))
    }

    /// Takes a value; an empty one counts as absent.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let Some(at) = self.0.iter().position(|(found, _)| found == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(found, _)| found == name) {
            return Err(Problem::malformed(format!("{name} comes more than once")));
        }
        if value.contains('\0') {
            return Err(Problem::malformed(format!("{name} must not contain NUL")));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    pub fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let wrong = |_| Problem::malformed(format!("{name} must be a whole number"));
        self.text(name)?
            .map(|text| text.parse().map_err(wrong))
            .transpose()
    }

    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name)?.as_deref() {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(_) => Err(Problem::malformed(format!("{name} must be true or false"))),
        }
    }

    pub fn moment(&mut self, name: &str) -> Result<Option<UnixMs>, Problem> {
        self.text(name)?
            .map(|text| moment_called(name, &text))
            .transpose()
    }

    /// One of `all`, by its word.
    pub fn word<T: Copy>(
        &mut self,
        name: &str,
        all: &[T],
        word_of: fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        self.text(name)?
            .map(|text| word_called(name, &text, all, word_of))
            .transpose()
    }

    /// The cursor, if there is one: `read` gives the place in it.
    pub fn cursor<T>(
        &mut self,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.text("cursor")?
            .map(|cursor| page::opened(&cursor, read))
            .transpose()
    }

    /// Refuses what was not taken: a misspelt filter would silently select everything.
    pub fn nothing_else(self, known: &[&str]) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(64).collect();
                let known = match known {
                    [] => "it has none".to_owned(),
                    known => format!("known: {}", known.join(", ")),
                };
                Err(Problem::malformed(format!(
                    "{name:?} is not a parameter of this call; {known}"
                )))
            }
        }
    }
}

/// One of `all`, by the word that a caller gave by this name.
pub fn word_called<T: Copy>(
    name: &str,
    text: &str,
    all: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<T, Problem> {
    let found = all.iter().find(|one| word_of(**one) == text);
    found.copied().ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| word_of(*one)).collect();
        Problem::malformed(format!("{name} must be one of {}", known.join(", ")))
    })
}
