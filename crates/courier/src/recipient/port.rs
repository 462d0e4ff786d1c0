//! What the domain needs of the outside to know its recipients: a store that remembers them, and WeChat to be asked.
//! The store that holds the messages holds them too, so that a message is judged in the transaction that stores it.

use async_trait::async_trait;
use hongyan_wechat::AccessToken;
use hongyan_wechat::error::CallError;

use super::{News, Recipient, Suppression};
use crate::message::{AccountName, Reason};
use crate::port::{AcceptError, Nonce, StoreError};
use crate::reach::Reach;
use crate::time::UnixMs;

/// What became of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What is known by now.
    pub recipient: Recipient,
    /// The words for the suppressions that were raised or renewed.
    pub raised: Vec<Reason>,
    /// So many messages that waited go on, because the user is spared no more.
    pub released: usize,
}

/// The most messages of one recipient that go on at once; any others do when the time has come that they were put off to.
pub const RELEASED_MAX: usize = 200;

/// Which suppressions to list; those said last come first.
#[derive(Clone, Debug)]
pub struct SuppressionFilter {
    /// Of this account's recipients.
    pub account: AccountName,
    /// For this reason.
    pub reason: Option<Reason>,
    /// Beyond this one.
    pub before: Option<Place>,
    /// About templates that this reaches, or about all.
    pub within: Reach,
}

/// Where a suppression stands in the list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was said last.
    pub at: UnixMs,
    /// Whose.
    pub openid: String,
    /// Of which template; empty for all.
    pub template_id: String,
    /// The word for it.
    pub reason: String,
}

hongyan_wechat::debug_without!(Place: at, template_id, reason; openid);

/// A suppression with whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// The recipient's openid.
    pub openid: String,
    /// Why nothing, or not this template, is sent.
    pub suppression: Suppression,
}

hongyan_wechat::debug_without!(
    Listed: suppression; openid
);

impl Listed {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            at: self.suppression.at,
            openid: self.openid.clone(),
            template_id: self.suppression.template_id.clone().unwrap_or_default(),
            reason: self.suppression.reason.as_str().to_owned(),
        }
    }
}

/// The recipients, as far as anything was heard of them.
#[async_trait]
pub trait Recipients: Send + Sync {
    /// What is known of one.
    async fn recipient(&self, account: &AccountName, openid: &str)
    -> Result<Recipient, StoreError>;
    /// Takes note of all of this, and lets go what was put off for something that it lifts; durable when answered.
    /// `NonceSeen` if it came before with another body.
    async fn hear(
        &self,
        account: &AccountName,
        openid: &str,
        news: Vec<News>,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Heard, AcceptError>;
    /// A page of the suppressions that hold at `now`.
    async fn suppressions(
        &self,
        filter: SuppressionFilter,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<Listed>, StoreError>;
    /// Recipients of whom WeChat is to be asked by now whether they follow; those that wait longest first.
    async fn to_confirm(
        &self,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(AccountName, String)>, StoreError>;
}

/// WeChat, asked about one user.
#[async_trait]
pub trait Followers: Send + Sync {
    /// Whether the user follows the account.
    async fn follows(
        &self,
        account: &AccountName,
        openid: &str,
        token: AccessToken,
    ) -> Result<bool, CallError>;
}
