//! The state of a simulated WeChat: accounts, tokens, people, templates, quotas, and what each person really saw.
//! Pure: no IO, no clock (every call takes `now_ms`), no knowledge of faults or receipts; usable without HTTP.

mod account;
mod calls;
mod check;
mod industry;
mod ledger;
mod library;
mod oauth;
mod query;
mod quota;
mod refusal;
mod registry;
mod send;
mod subscription;
mod token;

use std::collections::HashMap;
use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use account::AccountKind;
pub use calls::Calls;
pub use check::MiniProgram;
pub use ledger::{FollowerState, Seen};
pub use oauth::{AuthoriseRequest, PageError};
pub use refusal::{Refusal, text_of};
pub use send::{Accepted, SendAnswer, SendRequest};
pub use subscription::{SubscriptionCall, SubscriptionRequest};
pub use token::{TokenGrant, TokenRequest};

use crate::config::{AccountConfig, CallbackTarget, Rules, Seed, TemplateConfig};
use crate::fault::Endpoint;
use account::Account;
use refusal::Denied;
use registry::Registry;

/// Nineteen digits, as production's are today.
const FIRST_MSGID: i64 = 3_717_005_636_572_528_642;

/// What a delivery to a callback needs to know of its account.
#[derive(Clone, Debug)]
pub(crate) struct CallbackAddress {
    pub(crate) target: CallbackTarget,
    pub(crate) appid: String,
    pub(crate) original_id: String,
}

/// A WeChat without a network; a clone goes its own way from here.
#[derive(Clone, Debug)]
pub struct World {
    rules: Rules,
    accounts: Vec<Account>,
    numbers: HashMap<String, usize>,
    registry: Registry,
    calls: Calls,
    codes: oauth::Codes,
    last_msgid: i64,
    random: SmallRng,
}

impl World {
    pub fn new(seed: &Seed) -> Self {
        let mut world = Self {
            rules: seed.rules.clone(),
            accounts: Vec::new(),
            numbers: HashMap::new(),
            registry: Registry::default(),
            calls: Calls::default(),
            codes: oauth::Codes::default(),
            last_msgid: FIRST_MSGID,
            random: SmallRng::seed_from_u64(seed.rules.random_seed),
        };
        for account in &seed.accounts {
            world.add_account(account);
        }
        world
    }

    /// Adds an account; one with the same appid starts anew, and its old tokens are forgotten.
    pub fn add_account(&mut self, config: &AccountConfig) {
        match self.number_of(&config.appid) {
            Some(number) => {
                self.registry.forget(number);
                self.accounts[number] = config.into();
            }
            None => {
                self.numbers
                    .insert(config.appid.clone(), self.accounts.len());
                self.accounts.push(config.into());
            }
        }
    }

    pub fn appids(&self) -> impl Iterator<Item = &str> {
        self.numbers.keys().map(String::as_str)
    }

    /// Changes one account's follower, making it when new; false when there is no such account.
    pub fn add_follower(&mut self, appid: &str, openid: &str, state: FollowerState) -> bool {
        self.change(appid, |account| account.ledger.set_state(openid, state))
    }

    pub fn add_template(&mut self, appid: &str, template: &TemplateConfig) -> bool {
        self.change(appid, |account| {
            let id = template.template_id.clone();
            account.deleted.remove(&id);
            account.templates.insert(id, template.into());
        })
    }

    pub fn set_secret(&mut self, appid: &str, secret: &str) -> bool {
        self.change(appid, |account| account.secret = secret.to_owned())
    }

    pub fn set_secret_frozen(&mut self, appid: &str, frozen: bool) -> bool {
        self.change(appid, |account| account.secret_frozen = frozen)
    }

    /// None switches the whitelist off.
    pub fn set_whitelist(&mut self, appid: &str, whitelist: Option<Vec<IpAddr>>) -> bool {
        self.change(appid, |account| account.whitelist = whitelist)
    }

    pub fn set_punished(&mut self, appid: &str, punished: bool) -> bool {
        self.change(appid, |account| account.punished = punished)
    }

    pub fn set_admin_confirm(&mut self, appid: &str, needed: bool) -> bool {
        self.change(appid, |account| account.admin_confirm = needed)
    }

    pub fn set_kind(&mut self, appid: &str, kind: AccountKind) -> bool {
        self.change(appid, |account| account.kind = kind)
    }

    pub fn set_daily_quota(&mut self, appid: &str, daily_quota: u64) -> bool {
        self.change(appid, |account| account.daily_quota = daily_quota)
    }

    /// None: as many as it likes.
    pub fn set_sends_a_minute(&mut self, appid: &str, limit: Option<u64>) -> bool {
        self.change(appid, |account| account.sends_a_minute = limit)
    }

    pub fn set_callback(&mut self, appid: &str, target: Option<CallbackTarget>) -> bool {
        self.change(appid, |account| account.callback = target)
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }

    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    pub fn calls_of(&self, appid: &str) -> Option<&Calls> {
        Some(&self.accounts[self.number_of(appid)?].calls)
    }

    /// Whose token this is or was.
    pub fn appid_of(&self, access_token: &str) -> Option<&str> {
        let number = self.registry.owner(access_token)?;
        Some(&self.accounts[number].appid)
    }

    /// What this openid saw, in order; empty in lean mode.
    pub fn seen(&self, openid: &str) -> Vec<Seen> {
        let ledgers = self.accounts.iter().map(|account| &account.ledger);
        ledgers
            .flat_map(|ledger| ledger.seen(openid))
            .cloned()
            .collect()
    }

    /// How many messages this openid saw; kept in lean mode too.
    pub fn seen_count(&self, openid: &str) -> u32 {
        let ledgers = self.accounts.iter().map(|account| &account.ledger);
        ledgers.map(|ledger| ledger.count(openid)).sum()
    }

    /// Every openid that saw anything, with how often.
    pub fn seen_counts(&self) -> HashMap<String, u32> {
        let mut counts = HashMap::new();
        for account in &self.accounts {
            for (openid, count) in account.ledger.counts().filter(|(_, count)| *count > 0) {
                *counts.entry(openid.to_owned()).or_default() += count;
            }
        }
        counts
    }

    /// How often a message with this `client_msg_id` was really shown.
    pub fn accepted(&self, client_msg_id: &str) -> u32 {
        let ledgers = self.accounts.iter().map(|account| &account.ledger);
        ledgers
            .map(|ledger| ledger.times_shown(client_msg_id))
            .sum()
    }

    /// Every `client_msg_id` shown, with how often.
    pub fn shown(&self) -> impl Iterator<Item = (&str, u32)> {
        self.accounts
            .iter()
            .flat_map(|account| account.ledger.shown_counts())
    }

    /// A refusal that no rule of the world's asks for: counted and given a rid like a real one.
    pub(crate) fn refuse_as_told(
        &mut self,
        now_ms: i64,
        appid: Option<&str>,
        errcode: i64,
        text: Option<&str>,
    ) -> Refusal {
        let owner = appid.and_then(|appid| self.number_of(appid));
        let denied = match text {
            Some(text) => Denied::with(errcode, text.to_owned()),
            None => Denied::code(errcode),
        };
        self.refusal(now_ms, owner, denied)
    }

    /// Counts a call whose answer the world does not give.
    pub(crate) fn arrived_at(&mut self, endpoint: Endpoint, appid: Option<&str>) {
        let owner = appid.and_then(|appid| self.number_of(appid));
        self.arrived(endpoint, owner);
    }

    pub(crate) fn has_callback(&self, accepted: &Accepted) -> bool {
        self.accounts[accepted.account].callback.is_some()
    }

    /// Where the events of an account go, and the appid and original id they carry.
    pub(crate) fn callback(&self, account: usize) -> Option<CallbackAddress> {
        let account = self.accounts.get(account)?;
        Some(CallbackAddress {
            target: account.callback.clone()?,
            appid: account.appid.clone(),
            original_id: account.original_id.clone(),
        })
    }

    pub(crate) fn number_of(&self, appid: &str) -> Option<usize> {
        self.numbers.get(appid).copied()
    }

    fn change(&mut self, appid: &str, change: impl FnOnce(&mut Account)) -> bool {
        let number = self.number_of(appid);
        if let Some(number) = number {
            change(&mut self.accounts[number]);
        }
        number.is_some()
    }

    fn arrived(&mut self, endpoint: Endpoint, owner: Option<usize>) {
        self.calls.arrived(endpoint);
        if let Some(number) = owner {
            self.accounts[number].calls.arrived(endpoint);
        }
    }

    fn answer<T>(
        &mut self,
        now_ms: i64,
        owner: Option<usize>,
        outcome: Result<T, Denied>,
    ) -> Result<T, Refusal> {
        outcome.map_err(|denied| self.refusal(now_ms, owner, denied))
    }

    fn refusal(&mut self, now_ms: i64, owner: Option<usize>, denied: Denied) -> Refusal {
        self.calls.refused(denied.errcode);
        if let Some(number) = owner {
            self.accounts[number].calls.refused(denied.errcode);
        }
        if self.rules.legacy_hints {
            denied.hinted(now_ms, &mut self.random)
        } else {
            denied.at(now_ms, &mut self.random)
        }
    }
}
