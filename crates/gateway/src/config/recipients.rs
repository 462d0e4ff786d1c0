//! `[recipients]`, how long they are remembered, and `recipient_limits` of an account, how often one may be written to.
//! It must not know how either is done.

use std::time::Duration;

use hongyan_courier::message::Priority;
use hongyan_courier::recipient::RecipientLimit;
use hongyan_courier::recipient::limit::COUNT_MAX;
use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

/// More than one would use; each is looked at for each message.
const LIMITS_MAX: usize = 8;
/// What is remembered of a message for at least so long: the least that `retention.messages` may be.
const PER_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(2 * 24 * 3600));

/// Days of grace for a user who comes back, and the longest that makes sense.
const FORGET_RANGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3650 * 24 * 3600));

#[derive(Debug, Clone, Deserialize)]
pub struct Recipients {
    /// How long a user is remembered after leaving; for good without.
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub forget_after_unsubscribe: Option<Duration>,
}

impl Recipients {
    pub fn check(&self, findings: &mut Findings) {
        if let Some(after) = self.forget_after_unsubscribe {
            let key = "recipients.forget_after_unsubscribe";
            findings.require_range(key, after, FORGET_RANGE, duration::show);
        }
    }
}

/// At most `count` messages `per` period, of all priorities where none is named.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipientLimitFile {
    count: usize,
    #[serde(deserialize_with = "duration::deserialize")]
    per: Duration,
    #[serde(default)]
    priorities: Option<Vec<Priority>>,
}

impl From<&RecipientLimitFile> for RecipientLimit {
    fn from(file: &RecipientLimitFile) -> Self {
        let all = || Priority::ALL.to_vec();
        Self {
            count: file.count,
            per: file.per,
            priorities: file.priorities.clone().unwrap_or_else(all),
        }
    }
}

pub fn check(key: &str, limits: &[RecipientLimitFile], findings: &mut Findings) {
    if limits.len() > LIMITS_MAX {
        findings.problem(key, format!("has more than {LIMITS_MAX} limits"));
    }
    for limit in limits {
        findings.require_range(key, limit.count, (1, COUNT_MAX), |count| {
            format!("count = {count}")
        });
        findings.require_range(key, limit.per, PER_RANGE, duration::show);
        if limit.priorities.as_ref().is_some_and(Vec::is_empty) {
            findings.problem(
                key,
                "names no priority; leave `priorities` out for all of them",
            );
        }
    }
}
