//! How far a client reaches: to all accounts and templates, or to some. What it does not reach is to it as if it were not
//! there. It must not know who a client is.

use std::sync::Arc;

use crate::message::AccountName;

/// The accounts and templates that somebody may have to do with; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// All where there are none here.
    accounts: Arc<[AccountName]>,
    /// All where there are none here.
    templates: Arc<[String]>,
}

impl Reach {
    /// Confined to these; an empty list confines nothing.
    pub fn within(accounts: Vec<AccountName>, templates: Vec<String>) -> Self {
        Self {
            accounts: accounts.into(),
            templates: templates.into(),
        }
    }

    /// The accounts it is confined to; none if it is to none of them.
    pub fn accounts(&self) -> Option<&[AccountName]> {
        Some(&*self.accounts).filter(|list| !list.is_empty())
    }

    /// The templates it is confined to; none if it is to none of them.
    pub fn templates(&self) -> Option<&[String]> {
        Some(&*self.templates).filter(|list| !list.is_empty())
    }

    /// Whether nothing is beyond it.
    pub fn is_everywhere(&self) -> bool {
        self.accounts.is_empty() && self.templates.is_empty()
    }

    /// Whether it reaches an account of this name.
    pub fn has_account(&self, name: &str) -> bool {
        self.accounts()
            .is_none_or(|list| list.iter().any(|one| one.as_str() == name))
    }

    /// Whether it reaches a template of this id.
    pub fn has_template(&self, id: &str) -> bool {
        self.templates()
            .is_none_or(|list| list.iter().any(|one| one == id))
    }

    /// Whether it reaches what an account sends by a template.
    pub fn has(&self, account: &AccountName, template_id: &str) -> bool {
        self.has_account(account.as_str()) && self.has_template(template_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_confines_nothing() {
        let all = Reach::default();
        assert!(all.is_everywhere() && all.has(&"clinic".into(), "t1"));
        let of_account = Reach::within(vec!["clinic".into()], Vec::new());
        assert!(of_account.has(&"clinic".into(), "t1") && !of_account.has(&"school".into(), "t1"));
        let of_template = Reach::within(Vec::new(), vec!["t1".into()]);
        assert!(
            of_template.has(&"school".into(), "t1") && !of_template.has(&"school".into(), "t2")
        );
        assert!(!of_template.is_everywhere());
    }
}
