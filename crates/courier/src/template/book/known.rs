//! What is known of an account's templates, in memory: parsed once for each list, asked about at each message.
//! It must not know where lists come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::kind::ListOf;
use crate::message::{AccountName, Kind};
use crate::template::Template;
use crate::template::catalogue::Catalogue;
use crate::template::stop::Stop;
use crate::time::UnixMs;

/// What is known of an account's templates, in memory.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Templates of which nothing is sent, by id.
    pub stops: BTreeMap<String, Stop>,
    lists: BTreeMap<ListOf, List>,
}

/// What is known of one list.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// When it was fetched last; none if it never was.
    pub synced_at: Option<UnixMs>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<String>,
    templates: HashMap<String, Arc<Template>>,
}

/// Whoever knows the lists of accounts.
pub trait Lists: Send + Sync {
    /// What is known of an account's templates; nothing of an account that is not configured.
    fn known(&self, account: &AccountName) -> Arc<Known>;

    /// Whether a list that was fetched for its sake just before does not have a template.
    fn was_looked_for(&self, account: &AccountName, kind: Kind, template_id: &str) -> bool;
}

/// Nobody, by whom every message goes unchecked.
impl Lists for () {
    fn known(&self, _: &AccountName) -> Arc<Known> {
        Arc::default()
    }

    fn was_looked_for(&self, _: &AccountName, _: Kind, _: &str) -> bool {
        false
    }
}

/// What is known of a template.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Nothing, because its list was never fetched, or its kind has none: messages go unchecked.
    Unchecked,
    /// The account has it.
    Known(Arc<Template>),
    /// The account has it, in another of its lists than the kind's.
    OfOtherKind(ListOf),
    /// It is in no list that is known.
    Unknown,
    /// It is in no list that is known, and the last attempt to fetch the kind's failed: it may be new.
    Unverified,
}

impl Known {
    /// As it is stored; of what failed nothing is.
    pub(super) fn of(catalogue: Catalogue) -> Self {
        let mut lists = BTreeMap::<_, List>::new();
        for (of, at) in catalogue.synced {
            lists.entry(of).or_default().synced_at = Some(at);
        }
        let templates = catalogue.templates.into_values();
        for kept in templates.filter(|kept| kept.gone_at.is_none()) {
            let list = lists.entry(kept.listed.list).or_default();
            let template = Arc::new(kept.listed.template);
            list.templates.insert(template.id.clone(), template);
        }
        Self {
            stops: catalogue.stops,
            lists,
        }
    }

    /// What is known of a template of this kind without asking anybody.
    #[must_use]
    pub fn look_up(&self, kind: Kind, template_id: &str) -> Lookup {
        let Some(list) = kind.traits().list.and_then(|of| self.list(of)) else {
            return Lookup::Unchecked;
        };
        match list.templates.get(template_id) {
            Some(template) => Lookup::Known(Arc::clone(template)),
            None if list.synced_at.is_none() => Lookup::Unchecked,
            None => self.unlisted(template_id, list.failure.is_some()),
        }
    }

    fn unlisted(&self, template_id: &str, failed: bool) -> Lookup {
        let mut lists = self.lists.iter();
        let other = lists.find(|(_, list)| list.templates.contains_key(template_id));
        match other {
            Some((of, _)) => Lookup::OfOtherKind(*of),
            None if failed => Lookup::Unverified,
            None => Lookup::Unknown,
        }
    }

    /// What is known of a list; none if nobody ever asked for it.
    #[must_use]
    pub fn list(&self, of: ListOf) -> Option<&List> {
        self.lists.get(&of)
    }

    /// When one of the lists was fetched last; none if none ever was.
    #[must_use]
    pub fn synced_at(&self) -> Option<UnixMs> {
        self.lists.values().filter_map(|list| list.synced_at).max()
    }

    /// What was known of a list stands, but is not known to be all.
    pub(super) fn fail(&mut self, of: ListOf, why: String) {
        self.lists.entry(of).or_default().failure = Some(why);
    }
}
