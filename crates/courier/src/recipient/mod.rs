//! What is known of a recipient: whether the user follows the account, and why nothing, or not this template, may be sent.
//! Facts and the question that every message is asked; what changes them is in `news`.

pub mod confirm;
pub mod forget;
pub mod hearing;
pub mod limit;
pub mod news;
pub mod port;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::message::{Reason, words};
use crate::time::UnixMs;

pub use limit::RecipientLimit;
use news::end_of_second;
pub use news::{News, What};
pub use port::{Followers, Heard, Listed, Place, RELEASED_MAX, Recipients, SuppressionFilter};

words! {
    /// How a user stands to an account.
    Following {
        /// Nothing was heard yet: messages go out.
        Unknown = "unknown",
        /// The user follows the account.
        Subscribed = "subscribed",
        /// The user does not, or no longer.
        Unsubscribed = "unsubscribed",
        /// The account has black-listed the user.
        Blacklisted = "blacklisted",
        /// The user's own WeChat account is frozen or gone.
        Dead = "dead",
    }
}

words! {
    /// Who said so.
    Source {
        /// WeChat's answer to a send.
        Errcode = "errcode",
        /// WeChat's later word on a message.
        Receipt = "receipt",
        /// An event about the user.
        Event = "event",
        /// WeChat, when it was asked about the user.
        UserInfo = "user_info",
        /// A person.
        Operator = "operator",
    }
}

/// A recorded reason not to send to a recipient. There is at most one for each template and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Of this template alone; none for all.
    pub template_id: Option<String>,
    /// Why; the messages that end for it carry this word.
    pub reason: Reason,
    /// Who said so.
    pub source: Source,
    /// The errcode that said so, if one did.
    pub errcode: Option<i64>,
    /// What a person wrote down.
    pub note: Option<String>,
    /// When it was said last.
    pub at: UnixMs,
    /// Until when it holds; for good without.
    pub expires_at: Option<UnixMs>,
}

impl Suppression {
    /// Whether it holds at this moment.
    #[must_use]
    pub fn holds(&self, now: UnixMs) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether it is about messages of this template.
    #[must_use]
    pub fn concerns(&self, template_id: &str) -> bool {
        let own = self.template_id.as_deref();
        own.is_none_or(|own| own == template_id)
    }
}

/// What a suppression does to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It ends as suppressed.
    End(Reason),
    /// It waits until then: the user gets too much for the moment.
    Until(UnixMs),
}

/// What the suppressions of a recipient do to a message of this template. An end outweighs a wait.
#[must_use]
pub fn hold<'a>(
    suppressions: impl IntoIterator<Item = &'a Suppression>,
    template_id: &str,
    now: UnixMs,
) -> Option<Hold> {
    let mut wait: Option<UnixMs> = None;
    for one in suppressions {
        if !one.holds(now) || !one.concerns(template_id) {
            continue;
        }
        match one.expires_at {
            Some(end) if one.reason == Reason::FrequencyLimited => {
                wait = Some(wait.map_or(end, |known| known.max(end)));
            }
            _ => return Some(Hold::End(one.reason)),
        }
    }
    wait.map(Hold::Until)
}

/// How often a user agreed to one more message of a template, less what was sent since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Of which template.
    pub template_id: String,
    /// So many sends are left, as far as was heard.
    pub left: u32,
    /// WeChat's time of the last act that was counted, Unix seconds.
    pub event_at: i64,
}

/// What is known of a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// How the user stands to the account.
    pub state: Following,
    /// Who said so; none while nothing was heard.
    pub source: Option<Source>,
    /// When that was heard.
    pub since: Option<UnixMs>,
    /// WeChat's time of the last event about following, Unix seconds. An older one comes too late to count.
    pub event_at: Option<i64>,
    /// When suppressions were last lifted. What was said before counts no more.
    pub lifted_at: Option<UnixMs>,
    /// Until then nothing that WeChat says suppresses: a person wants it so.
    pub override_until: Option<UnixMs>,
    /// When WeChat is to be asked whether the user follows; none if there is no doubt about it.
    pub confirm_at: Option<UnixMs>,
    /// Why nothing, or not this template, is sent; some may have run out.
    pub suppressions: Vec<Suppression>,
    /// What one-time subscriptions are left, by template.
    pub credits: Vec<Credit>,
}

impl Recipient {
    /// Whether the user is spared because of getting too much. Its messages are put off until a moment that may have passed.
    #[must_use]
    pub fn is_spared(&self) -> bool {
        let mut held = self.suppressions.iter();
        held.any(|one| one.reason == Reason::FrequencyLimited)
    }

    /// Whether all that the user was heard to agree to of a template was sent. Where nothing was heard nobody can say.
    #[must_use]
    pub fn has_used_up(&self, template_id: &str) -> bool {
        let mut counted = self.credits.iter();
        counted.any(|credit| credit.template_id == template_id && credit.left == 0)
    }

    /// Since when nothing that is known decides anything: all of it was heard by then, and what it held back or overrode has
    /// run out. None while something is held back for good, or WeChat is still to be asked.
    #[must_use]
    pub fn idle_since(&self) -> Option<UnixMs> {
        let for_good = |one: &Suppression| one.expires_at.is_none();
        if self.confirm_at.is_some() || self.suppressions.iter().any(for_good) {
            return None;
        }
        let ends = self.suppressions.iter().filter_map(|one| one.expires_at);
        let acts = self.credits.iter().map(|credit| credit.event_at);
        let acts = acts.chain(self.event_at).map(end_of_second);
        let others = [self.since, self.lifted_at, self.override_until];
        let all = others.into_iter().flatten().chain(ends).chain(acts);
        all.max().or(Some(UnixMs(0)))
    }
}

impl Default for Recipient {
    fn default() -> Self {
        Self {
            state: Following::Unknown,
            source: None,
            since: None,
            event_at: None,
            lifted_at: None,
            override_until: None,
            confirm_at: None,
            suppressions: Vec::new(),
            credits: Vec::new(),
        }
    }
}
