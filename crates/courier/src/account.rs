//! How an account stands with WeChat: what stopped it, what trouble its token has, what was flagged.
//! Facts to be stored and shown; the decisions taken from them are in `token` and `dispatch`.

use serde::{Deserialize, Serialize};

use crate::message::{AccountName, words};
use crate::time::UnixMs;

words! {
    /// Why an account stands still.
    StopCause {
        /// The appid or secret is wrong, or the secret is frozen.
        Credentials = "credentials",
        /// WeChat does not let this machine's address ask for tokens.
        Address = "address",
        /// The account is punished, frozen or blocked.
        Blocked = "blocked",
        /// The account lacks the capability.
        Capability = "capability",
        /// The day's quota is spent.
        Quota = "quota",
        /// The token endpoint refuses for another reason.
        TokenEndpoint = "token_endpoint",
    }
}

/// An account that stands still, until a probe finds it well again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub cause: StopCause,
    /// What an operator should read: WeChat's words, and the offending address where there is one.
    pub detail: String,
    /// Since when.
    pub since: UnixMs,
    /// When it is tried again.
    pub probe_at: UnixMs,
}

/// WeChat rejects the account's tokens: fetches are rationed until a call is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When the first rejection came.
    pub since: UnixMs,
    /// The fetches made since, and the one that brought the first rejected token if it was recent; oldest first.
    pub fetches: Vec<UnixMs>,
    /// Fingerprint of the token that was rejected last.
    pub rejected: String,
    /// How many rejections there were: one for each token, however many calls met it, and one more if it came again.
    #[serde(default)]
    pub rejections: u32,
    /// The token that was rejected last had been rejected before: asking for it once more is no use.
    #[serde(default)]
    pub again: bool,
}

/// What is stored of an account's standing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Set while the account stands still.
    pub stop: Option<Stop>,
    /// Set while WeChat rejects its tokens.
    pub trouble: Option<Trouble>,
    /// How far the fetches that rejections caused have used up their ration, in trouble or between two.
    #[serde(default)]
    pub refetched_until: UnixMs,
    /// Forced refreshes of the last day (WeChat allows 20, 30 s apart); oldest first.
    pub forced: Vec<UnixMs>,
}

words! {
    /// What a flag is about.
    FlagSubject {
        /// The account itself.
        Account = "account",
        /// One of its templates.
        Template = "template",
        /// One of its recipients.
        Recipient = "recipient",
    }
}

/// Something that a human, or a later send, should heed.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// What it is about.
    pub subject: FlagSubject,
    /// The account's name, the template id or the openid.
    pub key: String,
    /// Why, as a reason word.
    pub reason: crate::message::Reason,
    /// The errcode that raised it; none if a receipt did.
    pub errcode: Option<i64>,
    /// When.
    pub at: UnixMs,
}

hongyan_wechat::debug_without!(Flag: subject, reason, errcode, at; key);

/// A flag together with the account it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFlag {
    /// Whose.
    pub account: AccountName,
    /// What.
    pub flag: Flag,
}
