//! One Official Account as WeChat keeps it: its secret, flags, meters, templates and people.
//! Pure state; who may call what is decided in the sibling modules.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::calls::Calls;
use super::ledger::Ledger;
use super::quota::Meters;
use super::token::Slots;
use crate::config::{AccountConfig, CallbackTarget, TemplateConfig};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// A verified service account: the only kind that may send for real.
    #[default]
    Verified,
    /// The sandbox account every developer gets: answers -1 when too much is asked of it at once.
    Test,
    /// Has no template messages: 48001.
    Subscription,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) appid: String,
    pub(crate) secret: String,
    pub(crate) original_id: String,
    pub(crate) kind: AccountKind,
    pub(crate) daily_quota: u64,
    pub(crate) sends_a_minute: Option<u64>,
    pub(crate) secret_frozen: bool,
    pub(crate) whitelist: Option<Vec<IpAddr>>,
    pub(crate) punished: bool,
    pub(crate) admin_confirm: bool,
    pub(crate) callback: Option<CallbackTarget>,
    /// Where users may be sent back to; everywhere without it.
    pub(crate) oauth_domain: Option<String>,
    pub(crate) templates: HashMap<String, Template>,
    /// Ids of templates that were there once.
    pub(crate) deleted: HashSet<String>,
    /// Where the two industries stand in the list of all, once they are set.
    pub(crate) industries: Option<[usize; 2]>,
    pub(crate) ledger: Ledger,
    pub(crate) slots: Slots,
    pub(crate) meters: Meters,
    pub(crate) calls: Calls,
    /// Messages accepted whose answer is not out yet; counted for test accounts alone.
    pub(crate) under_way: u32,
    /// Whose subscription messages are not answered yet: another one to them is refused meanwhile.
    pub(crate) fans_under_way: HashSet<u32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) title: String,
    pub(crate) content: String,
    /// The keys between `{{` and `.DATA}}`.
    pub(crate) keys: Vec<String>,
    /// Of subscription messages.
    pub(crate) subscription: bool,
    /// A subscription template that may be sent again and again.
    pub(crate) long_term: bool,
}

impl From<&TemplateConfig> for Template {
    fn from(config: &TemplateConfig) -> Self {
        Self {
            title: config.title.clone(),
            content: config.content.clone(),
            keys: keys_of(&config.content),
            subscription: config.subscription || config.long_term,
            long_term: config.long_term,
        }
    }
}

impl From<&AccountConfig> for Account {
    fn from(config: &AccountConfig) -> Self {
        let mut account = Self {
            appid: config.appid.clone(),
            secret: config.secret.clone(),
            original_id: config
                .original_id
                .clone()
                .unwrap_or_else(|| original_id_of(&config.appid)),
            kind: config.kind,
            daily_quota: config.daily_quota,
            sends_a_minute: config.sends_a_minute,
            secret_frozen: config.secret_frozen,
            whitelist: config.whitelist.clone(),
            punished: config.punished,
            admin_confirm: config.admin_confirm,
            callback: config.callback.clone(),
            oauth_domain: config.oauth_domain.clone(),
            templates: HashMap::new(),
            deleted: HashSet::new(),
            industries: None,
            ledger: Ledger::default(),
            slots: Slots::default(),
            meters: Meters::default(),
            calls: Calls::default(),
            under_way: 0,
            fans_under_way: HashSet::new(),
        };
        for follower in &config.followers {
            account.ledger.set_state(&follower.openid, follower.state);
        }
        for template in &config.templates {
            account
                .templates
                .insert(template.template_id.clone(), template.into());
        }
        account
    }
}

/// `gh_` and twelve characters, from the end of the appid.
fn original_id_of(appid: &str) -> String {
    let tail: String = appid
        .chars()
        .rev()
        .chain(std::iter::repeat('0'))
        .take(12)
        .collect();
    format!("gh_{}", tail.chars().rev().collect::<String>())
}

/// Documentation prints `{ {x.DATA} }`, so blanks are tolerated inside the braces.
fn keys_of(content: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for part in content.split('{').skip(1) {
        let inner = part.split('}').next().unwrap_or("").trim();
        if let Some(key) = inner.strip_suffix(".DATA") {
            keys.push(key.trim().to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_and_without_blanks() {
        assert_eq!(
            keys_of("{{first.DATA}}\n订单:{{ thing1.DATA }}\n{ {amount2.DATA} }{{x.OTHER}}"),
            ["first", "thing1", "amount2"]
        );
    }

    #[test]
    fn an_original_id_has_twelve_characters_after_its_prefix() {
        assert_eq!(original_id_of("wx5eed0000c0ffee01"), "gh_0000c0ffee01");
        assert_eq!(original_id_of("wx1"), "gh_000000000wx1");
    }
}
