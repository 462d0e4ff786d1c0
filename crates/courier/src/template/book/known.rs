//! What is known of an account's templates, in memory: parsed once for each list, asked about at each message.
//! It must not know where lists come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::message::AccountName;
use crate::template::Template;
use crate::template::catalogue::Catalogue;
use crate::template::stop::Stop;
use crate::time::UnixMs;

/// What is known of an account's templates, in memory.
#[derive(Debug, Default)]
pub struct Known {
    /// When the list was fetched last; none if it never was.
    pub synced_at: Option<UnixMs>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<String>,
    /// Templates of which nothing is sent, by id.
    pub stops: BTreeMap<String, Stop>,
    listed: HashMap<String, Arc<Template>>,
    /// Whether any list ever had a template.
    ever: bool,
}

/// Whoever knows the lists of accounts.
pub trait Lists: Send + Sync {
    /// What is known of an account's templates; nothing of an account that is not configured.
    fn known(&self, account: &AccountName) -> Arc<Known>;
}

/// Nobody, by whom every message goes unchecked.
impl Lists for () {
    fn known(&self, _: &AccountName) -> Arc<Known> {
        Arc::default()
    }
}

/// What is known of a template.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Nothing, because no list was ever fetched, or none ever had a template: messages go unchecked.
    Unchecked,
    /// The account has it.
    Known(Arc<Template>),
    /// The account does not have it.
    Unknown,
    /// It is not in the list that is known, and WeChat could not be asked again: it may be new.
    Unverified,
}

impl Known {
    pub(super) fn of(catalogue: Catalogue) -> Self {
        let listed = catalogue.templates.values();
        let listed = listed.filter(|kept| kept.gone_at.is_none()).map(|kept| {
            let template = &kept.listed.template;
            (template.id.clone(), Arc::new(template.clone()))
        });
        Self {
            synced_at: catalogue.synced_at,
            failure: None,
            listed: listed.collect(),
            ever: !catalogue.templates.is_empty(),
            stops: catalogue.stops,
        }
    }

    /// What is known of a template without asking anybody.
    #[must_use]
    pub fn look_up(&self, template_id: &str) -> Lookup {
        match self.listed.get(template_id) {
            Some(template) => Lookup::Known(Arc::clone(template)),
            None if self.synced_at.is_none() || !self.ever => Lookup::Unchecked,
            None if self.failure.is_some() => Lookup::Unverified,
            None => Lookup::Unknown,
        }
    }
}

impl Known {
    /// What was known stands, but is not known to be all.
    pub(super) fn failing(&self, why: String) -> Self {
        Self {
            synced_at: self.synced_at,
            failure: Some(why),
            stops: self.stops.clone(),
            listed: self.listed.clone(),
            ever: self.ever,
        }
    }
}
