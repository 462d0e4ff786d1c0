//! An account's templates as they are kept: its lists, their history, what is stopped; and the port by which a store keeps
//! them. What a fresh list changes is decided here, purely; a store applies it in one transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hongyan_wechat::subscription::SubscriptionTemplate;
use serde::{Deserialize, Serialize};

use super::drift::{Change, Drift, compare};
use super::stop::Stop;
use super::{Lasts, Template};
use crate::kind::ListOf;
use crate::message::{AccountName, words};
use crate::port::StoreError;
use crate::time::UnixMs;

/// A template as WeChat listed it, with what is only shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// In which list.
    pub list: ListOf,
    /// What messages are checked against.
    pub template: Template,
    /// An example of its text.
    pub example: String,
    /// First-level industry.
    pub primary_industry: String,
    /// Second-level industry.
    pub deputy_industry: String,
}

impl From<hongyan_wechat::template::Template> for Listed {
    fn from(mut listed: hongyan_wechat::template::Template) -> Self {
        Self {
            list: ListOf::Templates,
            example: std::mem::take(&mut listed.example),
            primary_industry: std::mem::take(&mut listed.primary_industry),
            deputy_industry: std::mem::take(&mut listed.deputy_industry),
            template: listed.into(),
        }
    }
}

impl From<SubscriptionTemplate> for Listed {
    fn from(listed: SubscriptionTemplate) -> Self {
        let choices = listed.choices.into_iter();
        let choices = choices.filter(|of_key| !of_key.values.is_empty());
        let choices = choices.map(|of_key| (of_key.key().to_owned(), of_key.values));
        Self {
            list: ListOf::Subscriptions,
            example: listed.example,
            primary_industry: String::new(),
            deputy_industry: String::new(),
            template: Template {
                choices: choices.collect(),
                lasts: listed.lasts.map(Lasts::from),
                ..Template::new(listed.template_id, listed.title, listed.content)
            },
        }
    }
}

/// A template that is or was in the account's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// As it was listed last.
    pub listed: Listed,
    /// When a list had it first.
    pub first_seen: UnixMs,
    /// When a list had it last.
    pub last_seen: UnixMs,
    /// Since when lists do not have it; none while they do.
    pub gone_at: Option<UnixMs>,
}

/// What is kept of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// When each list was fetched last, of those that ever were.
    pub synced: BTreeMap<ListOf, UnixMs>,
    /// By id, those that are gone among them.
    pub templates: BTreeMap<String, Kept>,
    /// By template id.
    pub stops: BTreeMap<String, Stop>,
}

words! {
    /// What happened to a template.
    Happened {
        /// It came into the list.
        Added = "added",
        /// It asks for other keys, or takes other values.
        Edited = "edited",
        /// Other words around the same keys.
        Reworded = "reworded",
        /// It left the list.
        Gone = "gone",
    }
}

impl From<&Change> for Happened {
    fn from(change: &Change) -> Self {
        match change {
            Change::Added => Self::Added,
            Change::Edited { .. } => Self::Edited,
            Change::Reworded => Self::Reworded,
            Change::Gone => Self::Gone,
        }
    }
}

/// One event of a template's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which template.
    pub template_id: String,
    /// When it was seen.
    pub at: UnixMs,
    /// What happened.
    pub happened: Happened,
    /// Its title from then on; as it was, if it left.
    pub title: String,
    /// Its text from then on; as it was, if it left.
    pub text: String,
}

/// What a fresh list changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// To be written, new or anew.
    pub kept: Vec<Kept>,
    /// To be added to the history.
    pub entries: Vec<Entry>,
    /// Templates to be stopped.
    pub stopped: Vec<Stop>,
    /// Templates that may go on.
    pub resumed: Vec<String>,
    /// All that changed, for whoever tells of it.
    pub drifts: Vec<Drift>,
}

impl Update {
    /// What another list changes besides.
    pub fn add(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.entries.extend(other.entries);
        self.stopped.extend(other.stopped);
        self.resumed.extend(other.resumed);
        self.drifts.extend(other.drifts);
    }
}

impl Catalogue {
    /// What a list that was fetched at `now` changes. Of two templates with one id the last counts.
    #[must_use]
    pub fn update(&self, of: ListOf, list: Vec<Listed>, now: UnixMs) -> Update {
        let list: BTreeMap<String, Listed> = list
            .into_iter()
            .map(|listed| (listed.template.id.clone(), listed))
            .collect();
        let there = |kept: &&Kept| kept.gone_at.is_none() && kept.listed.list == of;
        let present = self.templates.values().filter(there);
        let before: Vec<Template> = present.map(|kept| kept.listed.template.clone()).collect();
        let after: Vec<Template> = list
            .values()
            .map(|listed| listed.template.clone())
            .collect();
        let mut update = Update {
            drifts: compare(&before, &after),
            ..Update::default()
        };
        for drift in &update.drifts {
            let listed = list.get(&drift.id).map(|listed| &listed.template);
            update.entries.extend(self.entry(drift, listed, now));
            update.stopped.extend(self.stopped_by(drift, listed, now));
        }
        for stop in self.stops.values() {
            let listed = list.get(&stop.template_id).map(|listed| &listed.template);
            let anew = update
                .stopped
                .iter()
                .any(|new| new.template_id == stop.template_id);
            if !anew && stop.is_ended_by(listed) {
                update.resumed.push(stop.template_id.clone());
            }
        }
        let left = self.templates.values().filter(there);
        let left = left.filter(|kept| !list.contains_key(&kept.listed.template.id));
        let left = left.map(|kept| Kept {
            gone_at: Some(now),
            ..kept.clone()
        });
        update.kept.extend(left);
        update
            .kept
            .extend(list.into_iter().map(|(id, listed)| Kept {
                listed,
                first_seen: self.templates.get(&id).map_or(now, |kept| kept.first_seen),
                last_seen: now,
                gone_at: None,
            }));
        update
    }
}

impl Catalogue {
    /// A template that was listed at some time.
    fn known(&self, id: &str) -> Option<&Template> {
        self.templates.get(id).map(|kept| &kept.listed.template)
    }

    fn entry(&self, drift: &Drift, listed: Option<&Template>, now: UnixMs) -> Option<Entry> {
        let shown = listed.or_else(|| self.known(&drift.id))?;
        Some(Entry {
            template_id: drift.id.clone(),
            at: now,
            happened: Happened::from(&drift.change),
            title: shown.title.clone(),
            text: shown.text().to_owned(),
        })
    }

    /// The stop that a change calls for, unless a graver one is there already.
    fn stopped_by(&self, drift: &Drift, listed: Option<&Template>, now: UnixMs) -> Option<Stop> {
        let known = self.known(&drift.id)?;
        let change = match (&drift.change, listed) {
            (Change::Added, Some(back)) => since_it_left(known, back)?,
            (change, _) => change.clone(),
        };
        let stop = Stop::by_change(known, &change, now)?;
        let standing = self.stops.get(&stop.template_id);
        let counts = standing.is_none_or(|standing| stop.outweighs(standing));
        counts.then_some(stop)
    }
}

/// What changed of a template while it was away.
fn since_it_left(known: &Template, back: &Template) -> Option<Change> {
    let drift = compare(std::slice::from_ref(known), std::slice::from_ref(back));
    drift.into_iter().next().map(|drift| drift.change)
}

/// The templates of accounts, across restarts. Stops are heeded by whoever leases messages: those of a stopped template
/// are put aside, unless they are in doubt.
#[async_trait]
pub trait Templates: Send + Sync {
    /// What is kept of an account.
    async fn catalogue(&self, account: &AccountName) -> Result<Catalogue, StoreError>;
    /// Takes over a list that was fetched whole: list, history, stops and their flags in one transaction. Answers what
    /// it changed; durable by then.
    async fn take_over(
        &self,
        account: &AccountName,
        of: ListOf,
        list: Vec<Listed>,
        now: UnixMs,
    ) -> Result<Update, StoreError>;
    /// What happened to a template, newest first.
    async fn history(
        &self,
        account: &AccountName,
        template_id: &str,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;
    /// Ends a stop and takes back its flags. Answers whether there was one.
    async fn resume(&self, account: &AccountName, template_id: &str) -> Result<bool, StoreError>;
    /// Calls back at most `limit` messages that were put aside and whose template is not stopped. Answers how many.
    async fn call_back(&self, limit: usize, now: UnixMs) -> Result<usize, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::stop::StopCause;

    const OWN: ListOf = ListOf::Templates;

    fn listed(id: &str, text: &str) -> Listed {
        Listed {
            list: OWN,
            template: Template::new(id, "取餐提醒", text),
            example: String::new(),
            primary_industry: String::new(),
            deputy_industry: String::new(),
        }
    }

    /// What an adapter makes of an update.
    fn apply(catalogue: &mut Catalogue, update: &Update, now: UnixMs) {
        catalogue.synced.insert(OWN, now);
        for kept in &update.kept {
            let id = kept.listed.template.id.clone();
            catalogue.templates.insert(id, kept.clone());
        }
        for stop in &update.stopped {
            let id = stop.template_id.clone();
            catalogue.stops.insert(id, stop.clone());
        }
        for id in &update.resumed {
            catalogue.stops.remove(id);
        }
    }

    #[track_caller]
    fn check(lists: &[(&str, Option<StopCause>)]) {
        let mut catalogue = Catalogue::default();
        for (nth, (text, stopped)) in lists.iter().enumerate() {
            let now = UnixMs(i64::try_from(nth).unwrap());
            let list = match *text {
                "" => vec![],
                text => vec![listed("t1", text)],
            };
            let update = catalogue.update(OWN, list, now);
            apply(&mut catalogue, &update, now);
            let cause = catalogue.stops.get("t1").map(|stop| stop.cause);
            assert_eq!(cause, *stopped, "list {nth}: {text}");
        }
    }

    #[test]
    fn a_template_is_stopped_by_an_edit_until_it_is_as_it_was() {
        let (old, new) = ("{{thing1.DATA}}", "{{thing1.DATA}}{{time2.DATA}}");
        let edited = Some(StopCause::Edited);
        check(&[(old, None), (new, edited), (new, edited), (old, None)]);
        let gone = Some(StopCause::Gone);
        check(&[(old, None), ("", gone), ("", gone), (old, None)]);
        check(&[(old, None), ("", gone), (new, edited), (old, None)]);
        check(&[(old, None), (new, edited), ("", edited), (old, None)]);
        check(&[(old, None), ("商品：{{thing1.DATA}}", None)]);
    }

    #[test]
    fn a_list_is_kept_with_what_left_it() {
        let mut catalogue = Catalogue::default();
        for (at, ids) in [(1, "ab"), (2, "b"), (3, "abc")] {
            let list = ids.chars().map(|id| listed(&id.to_string(), "{{x.DATA}}"));
            let update = catalogue.update(OWN, list.collect(), UnixMs(at));
            apply(&mut catalogue, &update, UnixMs(at));
            if at == 2 {
                let gone = &catalogue.templates["a"];
                assert_eq!((gone.last_seen, gone.gone_at), (UnixMs(1), Some(UnixMs(2))));
                assert_eq!(update.entries[0].happened, Happened::Gone);
                assert_eq!(update.entries[0].text, "{{x.DATA}}");
            }
        }
        let seen = catalogue.templates.values();
        let seen: Vec<_> = seen
            .map(|kept| (kept.first_seen.0, kept.last_seen.0, kept.gone_at))
            .collect();
        assert_eq!(seen, [(1, 3, None), (1, 3, None), (3, 3, None)]);
    }

    #[test]
    fn one_list_says_nothing_of_the_other() {
        let mut catalogue = Catalogue::default();
        let update = catalogue.update(OWN, vec![listed("t1", "{{x.DATA}}")], UnixMs(1));
        apply(&mut catalogue, &update, UnixMs(1));
        let other = catalogue.update(ListOf::Subscriptions, vec![], UnixMs(2));
        assert_eq!(other, Update::default());
    }
}
