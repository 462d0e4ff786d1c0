//! Templates: what WeChat's text of one asks for, whether a message's data fits it, what its user would see, and which
//! are stopped. Pure but for `book`, which keeps the lists in step with WeChat's; it must not know how a refusal is answered.
//!
//! ```
//! use hongyan_courier::message::Kind;
//! use hongyan_courier::template::Template;
//! use hongyan_courier::template::check::{Terms, check};
//! use hongyan_courier::template::values::Values;
//!
//! let template = Template::new("t1", "取餐提醒", "商品:{{thing1.DATA}}\n金额:{{amount2.DATA}}");
//! let values = Values::read(r#"{"thing1":{"value":"咖啡"},"amount2":{"value":"三元"}}"#)?;
//! let checked = check(&template, values, Terms::of(Kind::Template));
//! assert_eq!(checked.violations[0].field, "data.amount2.value");
//! assert_eq!(checked.violations[0].rule(), "amount.form");
//! # Ok::<(), hongyan_courier::template::values::NotData>(())
//! ```

use std::collections::BTreeMap;

use hongyan_wechat::subscription;
use parse::{Oddity, Parsed};
use serde::{Deserialize, Serialize};

use crate::message::words;

pub mod book;
pub mod catalogue;
pub mod check;
pub mod drift;
pub mod link;
pub mod measure;
pub mod parse;
pub mod render;
pub mod rules;
pub mod shape;
pub mod stop;
pub mod values;
pub mod violation;

/// Lines of old templates that WeChat has dropped silently since May 2023, whatever a message says.
pub const DROPPED_KEYS: [&str; 2] = ["first", "remark"];

words! {
    /// For how many messages a user agrees to a subscription template.
    Lasts {
        /// For one.
        OneTime = "one_time",
        /// For any number.
        LongTerm = "long_term",
    }
}

impl From<subscription::Lasts> for Lasts {
    fn from(lasts: subscription::Lasts) -> Self {
        match lasts {
            subscription::Lasts::OneTime => Self::OneTime,
            subscription::Lasts::LongTerm => Self::LongTerm,
        }
    }
}

/// A template as WeChat listed it, with what its text was found to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its id in the account.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The values that WeChat approved for a key (`enum`, `const`), where they are known: the list of an official
    /// account's templates does not say, `gettemplate` of subscriptions does.
    pub choices: BTreeMap<String, Vec<String>>,
    /// Of a subscription template, for how many messages a user agrees, where WeChat says so.
    pub lasts: Option<Lasts>,
    text: String,
    parsed: Parsed,
}

impl Template {
    /// A template of this text, `{{key.DATA}}` where values go. Any text is taken.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            id: id.into(),
            title: title.into(),
            choices: BTreeMap::new(),
            lasts: None,
            parsed: parse::parse(&text),
            text,
        }
    }

    /// The text, as WeChat gave it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The keys in the order of the text, each once; `first` and `remark` are among them if the text has them.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.parsed.keys
    }

    /// The keys that a message must give.
    pub fn demanded(&self) -> impl Iterator<Item = &str> {
        self.keys()
            .iter()
            .map(String::as_str)
            .filter(|key| !is_dropped(key))
    }

    /// Whether it comes from the old library, whose keys have names and no types, and whose values are cut on display.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.demanded().all(|key| rules::rule_of(key).is_none())
    }

    /// What in the text was not understood, for an operator to read.
    #[must_use]
    pub fn oddities(&self) -> &[Oddity] {
        &self.parsed.oddities
    }
}

impl From<hongyan_wechat::template::Template> for Template {
    fn from(listed: hongyan_wechat::template::Template) -> Self {
        Self::new(listed.template_id, listed.title, listed.content)
    }
}

/// Whether WeChat drops this key whatever its value.
#[must_use]
pub fn is_dropped(key: &str) -> bool {
    DROPPED_KEYS.contains(&key)
}
