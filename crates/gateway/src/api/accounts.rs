//! `GET /v1/accounts`, and the accounts by name for whoever reads a request.
//! It must not know any secret of an account.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hongyan_courier::account::Flag;
use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::quota::QuotaBook;
use hongyan_courier::port::{Ledger, Standings};
use hongyan_courier::quota::Quotas;
use hongyan_courier::template::check::OnViolation;
use hongyan_courier::time::Clock;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::door::Signed;
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::api::query::Query;
use crate::api::quota::{QuotaView, SendingView};
use crate::condition::Conditions;
use crate::config::accounts::{CallbackMode, Receipts};

/// The flags shown of one account.
const FLAGS_MAX: usize = 20;

/// What anybody may know of an account.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: AccountName,
    pub appid: String,
    pub receipts: Receipts,
    pub callback_mode: CallbackMode,
    /// What becomes of a message that breaks a rule and does not say.
    pub on_violation: OnViolation,
}

/// The configured accounts, in the order of the configuration.
#[derive(Clone, Debug)]
pub struct Accounts(pub Vec<Known>);

impl Accounts {
    pub fn find(&self, name: &str) -> Option<&AccountName> {
        self.known(name).map(|known| &known.name)
    }

    pub fn known(&self, name: &str) -> Option<&Known> {
        self.0.iter().find(|known| known.name.as_str() == name)
    }

    /// The account that a query or a body names, or the only one.
    pub fn named(&self, name: Option<&str>) -> Result<&AccountName, Problem> {
        let unknown = || Problem::not_found(format!("there is no such account; known: {self}"));
        match name {
            Some(name) => self.find(name).ok_or_else(unknown),
            None => self
                .sole()
                .ok_or_else(|| Problem::malformed(format!("which account? known: {self}"))),
        }
    }

    /// The account that need not be named.
    pub fn sole(&self) -> Option<&AccountName> {
        match self.0.as_slice() {
            [only] => Some(&only.name),
            _ => None,
        }
    }
}

/// The names, for an error's text.
impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, known) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{}", known.name)?;
        }
        Ok(())
    }
}

/// What the account calls are made of.
pub struct AccountBook {
    pub accounts: Arc<Accounts>,
    pub conditions: Arc<Conditions>,
    pub standings: Arc<dyn Standings>,
    pub slots: Arc<Slots>,
    pub quotas: Arc<Quotas>,
    pub book: Arc<dyn QuotaBook>,
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AccountList {
    accounts: Vec<AccountView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    name: String,
    appid: String,
    /// `ok`, `degraded` or `stopped`
    #[schema(example = "ok")]
    state: &'static str,
    /// What an operator should read: what WeChat said, and the address to put on the whitelist where it names one.
    detail: Option<String>,
    token: Option<TokenAge>,
    quota: Option<QuotaView>,
    sending: Option<SendingView>,
    /// `direct`, `forwarded` or `none`
    #[schema(value_type = String)]
    receipts: Receipts,
    /// `plain`, `compatible` or `safe`
    #[schema(value_type = String)]
    callback_mode: CallbackMode,
    /// What a human should heed, newest first.
    flags: Vec<FlagView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TokenAge {
    usable: bool,
    age_seconds: u64,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flag)]
pub struct FlagView {
    /// `account`, `template` or `recipient`
    subject: &'static str,
    key: String,
    reason: &'static str,
    errcode: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl From<Flag> for FlagView {
    fn from(flag: Flag) -> Self {
        Self {
            subject: flag.subject.as_str(),
            key: flag.key,
            reason: flag.reason.as_str(),
            errcode: flag.errcode,
            at: Moment(flag.at),
        }
    }
}

impl AccountBook {
    async fn quota(&self, account: &AccountName) -> Result<Option<QuotaView>, Problem> {
        let Some(quota) = self.quotas.view(account) else {
            return Ok(None);
        };
        let queued = self.book.queued_before(account, quota.renewed_at).await?;
        Ok(Some(QuotaView::of(quota, queued)))
    }

    async fn view(&self, known: &Known) -> Result<AccountView, Problem> {
        let (condition, view) = self.conditions.of(&known.name);
        let flags = self.standings.flags(&known.name, FLAGS_MAX).await?;
        let now = self.clock.now();
        let token = view.and_then(|view| {
            let token = view.token?;
            Some(TokenAge {
                usable: view.usable,
                age_seconds: now.since(token.fetched_at).as_secs(),
                expires_at: Moment(token.expires_at),
            })
        });
        Ok(AccountView {
            name: known.name.to_string(),
            appid: known.appid.clone(),
            state: condition.state.as_str(),
            detail: condition.detail,
            token,
            quota: self.quota(&known.name).await?,
            sending: self.slots.lane(&known.name, now).map(SendingView::from),
            receipts: known.receipts,
            callback_mode: known.callback_mode,
            flags: flags.into_iter().map(|flag| flag.flag.into()).collect(),
        })
    }
}

/// The accounts and how they fare.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", responses((status = 200, body = AccountList)))]
pub async fn list(
    State(book): State<Arc<AccountBook>>,
    uri: Uri,
    _signed: Signed,
) -> Result<Json<AccountList>, Problem> {
    Query::read(&uri)?.nothing_else(&[])?;
    let mut accounts = Vec::with_capacity(book.accounts.0.len());
    for known in &book.accounts.0 {
        accounts.push(book.view(known).await?);
    }
    Ok(Json(AccountList { accounts }))
}
