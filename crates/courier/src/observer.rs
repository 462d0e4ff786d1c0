//! What happened, as it happens, for whoever watches: metrics, a caller that waits, the demo on a terminal.
//! Nothing here decides anything; an observer must return at once.

use std::time::Duration;

use crate::message::{AccountName, Kind, MessageId, Reason, Status};
use crate::retention::Old;
use crate::time::UnixMs;
use crate::webhook::Verdict;

/// Something that happened and is durable where it is about a message.
#[derive(Clone, Debug)]
pub enum Event {
    /// A message was stored.
    Accepted {
        /// Which.
        id: MessageId,
        /// Whose.
        account: AccountName,
    },
    /// A call for a message ended.
    Called {
        /// Which message.
        id: MessageId,
        /// Whose.
        account: AccountName,
        /// Of which kind it is.
        kind: Kind,
        /// WeChat's errcode; none if there was no definite answer.
        errcode: Option<i64>,
        /// How long the call took.
        took: Duration,
    },
    /// A message stands somewhere new, durably.
    Moved {
        /// Which.
        id: MessageId,
        /// Whose.
        account: AccountName,
        /// Where it stands.
        status: Status,
        /// Why.
        reason: Option<Reason>,
        /// Its msgid.
        msgid: Option<i64>,
    },
    /// A receipt came in.
    Receipt {
        /// For which account.
        account: AccountName,
        /// WeChat's words.
        status: String,
        /// The message it was joined with.
        joined: Option<MessageId>,
    },
    /// A reason not to send to a recipient was recorded, or heard again.
    Suppressed {
        /// Of which account.
        account: AccountName,
        /// The word for it.
        reason: Reason,
    },
    /// A token fetch ended.
    TokenFetched {
        /// For which account.
        account: AccountName,
        /// When the new token ends; none if the fetch failed.
        expires_at: Option<UnixMs>,
    },
    /// An account stands still, or goes on.
    Standing {
        /// Which.
        account: AccountName,
        /// Who found out. One may say that it goes on while the other still finds it standing.
        source: Source,
        /// What an operator should read; none if it goes on.
        stopped: Option<String>,
    },
    /// WeChat takes a kind besides template messages again, of which it took none.
    KindGoesOn {
        /// Of which account.
        account: AccountName,
        /// Which.
        kind: Kind,
    },
    /// A list of templates was fetched, or could not be.
    TemplatesSynced {
        /// Of which account.
        account: AccountName,
        /// When it was fetched; none if that failed.
        at: Option<UnixMs>,
    },
    /// So many of an account's templates are stopped by now.
    TemplatesStopped {
        /// Of which account.
        account: AccountName,
        /// How many.
        count: usize,
    },
}

/// Who found that an account stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The token keeper, by what the token endpoint said.
    Token,
    /// The dispatcher, by what became of calls.
    Lane,
}

/// Where a token is looked for, before WeChat is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// This process's own copy.
    Local,
    /// The one that all nodes share.
    Shared,
}

/// What came of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A token that can be used.
    Hit,
    /// None that can be used.
    Miss,
    /// The place could not be asked.
    Error,
}

/// Somebody who watches.
pub trait Observer: Send + Sync {
    /// Takes note; returns at once.
    fn observe(&self, event: &Event);

    /// A token was looked for, as happens at each call: too often to be an event.
    fn token_sought(&self, _tier: Tier, _sought: Sought) {}

    /// So many old records were forgotten.
    fn pruned(&self, _what: Old, _count: usize) {}

    /// An event was posted to a webhook, or was to be.
    fn webhook_tried(&self, _webhook: &str, _verdict: &Verdict) {}
}

/// Several observers in a row.
impl Observer for Vec<std::sync::Arc<dyn Observer>> {
    fn observe(&self, event: &Event) {
        for one in self {
            one.observe(event);
        }
    }

    fn token_sought(&self, tier: Tier, sought: Sought) {
        for one in self {
            one.token_sought(tier, sought);
        }
    }

    fn pruned(&self, what: Old, count: usize) {
        for one in self {
            one.pruned(what, count);
        }
    }

    fn webhook_tried(&self, webhook: &str, verdict: &Verdict) {
        for one in self {
            one.webhook_tried(webhook, verdict);
        }
    }
}
