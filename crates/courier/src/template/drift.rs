//! What changed between two lists of an account's templates: which came, which were edited, which are gone.
//! It must not know when the lists were taken, nor whom to tell.

use std::collections::{BTreeMap, BTreeSet};

use super::Template;

/// One template that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Its id.
    pub id: String,
    /// Its title, as it is now; as it was, if it is gone.
    pub title: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there before.
    Added,
    /// It asks for other keys, or takes other values: messages written for the old text no longer fit.
    Edited {
        /// Keys that it did not ask for before.
        asked: Vec<String>,
        /// Keys that it no longer asks for.
        unasked: Vec<String>,
        /// Keys whose approved values changed.
        rechosen: Vec<String>,
    },
    /// Other words around the same keys, or the keys in another order.
    Reworded,
    /// It is no longer in the list.
    Gone,
}

impl Change {
    /// Whether messages written before it can no longer be trusted to mean what they meant, so that they should stop
    /// until an operator has looked.
    #[must_use]
    pub fn stops_messages(&self) -> bool {
        matches!(self, Self::Edited { .. } | Self::Gone)
    }
}

/// Compares a list with the one before it. The order of the lists means nothing; answers are in the order of the ids.
#[must_use]
pub fn compare(before: &[Template], after: &[Template]) -> Vec<Drift> {
    let (before, after) = (by_id(before), by_id(after));
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let drift = |id: &str| {
        let (template, change) = match (before.get(id).copied(), after.get(id).copied()) {
            (None, Some(new)) => (new, Change::Added),
            (Some(old), None) => (old, Change::Gone),
            (old, new) => (new?, edit(old?, new?)?),
        };
        Some(Drift {
            id: template.id.clone(),
            title: template.title.clone(),
            change,
        })
    };
    ids.into_iter().filter_map(drift).collect()
}

fn by_id(list: &[Template]) -> BTreeMap<&str, &Template> {
    list.iter()
        .map(|template| (template.id.as_str(), template))
        .collect()
}

fn edit(old: &Template, new: &Template) -> Option<Change> {
    let only_in = |one: &Template, other: &Template| -> Vec<String> {
        let known = |key: &str| other.demanded().any(|known| known == key);
        one.demanded()
            .filter(|key| !known(key))
            .map(str::to_owned)
            .collect()
    };
    let (asked, unasked) = (only_in(new, old), only_in(old, new));
    let choices = |template: &Template, key: &str| template.choices.get(key).cloned();
    let rechosen = new
        .demanded()
        .filter(|key| !asked.iter().any(|new| new == key));
    let rechosen = rechosen.filter(|key| choices(old, key) != choices(new, key));
    let rechosen: Vec<_> = rechosen.map(str::to_owned).collect();
    if !(asked.is_empty() && unasked.is_empty() && rechosen.is_empty()) {
        return Some(Change::Edited {
            asked,
            unasked,
            rechosen,
        });
    }
    (old.text != new.text || old.title != new.title).then_some(Change::Reworded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(id: &str, text: &str) -> Template {
        Template::new(id, "取餐提醒", text)
    }

    fn changes(before: &[Template], after: &[Template]) -> Vec<(String, Change)> {
        let found = compare(before, after).into_iter();
        found.map(|drift| (drift.id, drift.change)).collect()
    }

    #[test]
    fn what_came_went_and_changed_is_told_by_id() {
        let before = [
            template("same", "{{thing1.DATA}}"),
            template("gone", "{{thing1.DATA}}"),
            template("keys", "{{thing1.DATA}}{{date2.DATA}}"),
            template("words", "商品：{{thing1.DATA}}"),
            template("order", "{{thing1.DATA}}{{date2.DATA}}"),
        ];
        let after = [
            template("order", "{{date2.DATA}}{{thing1.DATA}}"),
            template("added", "{{thing1.DATA}}"),
            template("words", "菜品：{{thing1.DATA}}"),
            template("keys", "{{thing1.DATA}}{{time3.DATA}}"),
            template("same", "{{thing1.DATA}}"),
        ];
        let edited = Change::Edited {
            asked: vec!["time3".into()],
            unasked: vec!["date2".into()],
            rechosen: vec![],
        };
        let found = changes(&before, &after);
        assert_eq!(
            found,
            [
                ("added".into(), Change::Added),
                ("gone".into(), Change::Gone),
                ("keys".into(), edited),
                ("order".into(), Change::Reworded),
                ("words".into(), Change::Reworded),
            ]
        );
        let stops: Vec<_> = found
            .iter()
            .filter(|(_, change)| change.stops_messages())
            .collect();
        assert_eq!(
            stops.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(),
            ["gone", "keys"]
        );
    }

    #[test]
    fn a_list_compared_with_itself_has_not_drifted() {
        let list = [template("a", "{{x.DATA}}"), template("b", "")];
        assert_eq!(compare(&list, &list), []);
        assert_eq!(compare(&[], &[]), []);
    }

    #[test]
    fn a_title_is_words_and_a_list_of_values_is_not() {
        let old = template("a", "{{enum1.DATA}}");
        let retitled = Template {
            title: "x".into(),
            ..old.clone()
        };
        assert_eq!(
            changes(std::slice::from_ref(&old), &[retitled]),
            [("a".into(), Change::Reworded)]
        );
        let mut rechosen = old.clone();
        rechosen.choices.insert("enum1".into(), vec!["好".into()]);
        let edited = Change::Edited {
            asked: vec![],
            unasked: vec![],
            rechosen: vec!["enum1".into()],
        };
        assert_eq!(changes(&[old], &[rechosen]), [("a".into(), edited)]);
    }

    #[test]
    fn lines_that_wechat_drops_are_not_asked_for() {
        let with = template("a", "{{first.DATA}}\n{{x.DATA}}");
        let without = template("a", "{{x.DATA}}");
        assert_eq!(
            changes(&[with], &[without]),
            [("a".into(), Change::Reworded)]
        );
    }
}
