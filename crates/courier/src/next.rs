//! The class of an answer decides: (class, kind, doubt, tries, now) → what becomes of the message, and what to flag.
//! Pure; the only randomness is the roll that the caller hands in.

use std::time::Duration;

use hongyan_wechat::errcode::{
    AccountFault, Class, ConfigurationFault, Fault, RateScope, RecipientFault, TemplateFault,
};

use crate::account::FlagSubject;
use crate::message::Reason;
use crate::time::UnixMs;

/// A repeat of a call in doubt is written only within this time of the first call that may have been accepted.
/// WeChat drops repeats for ten minutes; the rest is for delay on the wire and freezes.
pub const SAFE_WINDOW: Duration = Duration::from_secs(8 * 60);

/// About how long after a call in doubt its repeats follow.
pub const REPEAT_AFTER: [Duration; 5] = [
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(40),
    Duration::from_secs(120),
    Duration::from_secs(240),
];

/// The first and the longest pause before a retry of what is transient.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));
/// The pause after WeChat says that one recipient gets too much.
const RECIPIENT_PAUSE: Duration = Duration::from_secs(120);
/// The pause before a template id that WeChat does not know is tried once more.
const TEMPLATE_PAUSE: Duration = Duration::from_secs(30);
/// The pause after a call reached a retired address: another connection may lead elsewhere, the same one will not.
const ADDRESS_PAUSE: Duration = Duration::from_secs(1);
/// How long a message waits when its account stands still; the lane decides when it really goes.
const STOPPED_PAUSE: Duration = Duration::from_secs(5);

/// A number in `0..1` drawn by the caller, so that decisions can be repeated in tests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roll(pub f64);

impl Roll {
    /// A fresh draw.
    #[must_use]
    pub fn draw() -> Self {
        Self(rand::random())
    }
}

/// What a message went through so far, as far as the next step depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Retries spent on what is transient.
    pub retries: u16,
    /// The most that may be spent.
    pub max_retries: u16,
    /// The errcode of the call before this one.
    pub last_errcode: Option<i64>,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// WeChat has it.
    Accepted,
    /// WeChat has it, if the doubt is about this very message; else it refused it as a duplicate.
    Duplicate,
    /// The call may have been accepted.
    Doubt,
    /// Not accepted, to be tried again; `counts` if it spends a retry.
    Again {
        /// Not before.
        at: UnixMs,
        /// Whether a retry is spent.
        counts: bool,
        /// Shown while it waits, and at the end if no retry is left.
        reason: Reason,
    },
    /// Refused for good.
    Refused(Reason),
}

/// What becomes of the message, and what to flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The message.
    pub verdict: Verdict,
    /// The account, template or recipient, with the word for it.
    pub flag: Option<(FlagSubject, Reason)>,
}

impl Next {
    fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            flag: None,
        }
    }

    fn refused(reason: Reason) -> Self {
        Self::plain(Verdict::Refused(reason))
    }

    fn refused_for(subject: FlagSubject, reason: Reason) -> Self {
        Self {
            verdict: Verdict::Refused(reason),
            flag: Some((subject, reason)),
        }
    }

    fn waits_for_account(at: UnixMs, reason: Reason) -> Self {
        Self {
            verdict: Verdict::Again {
                at,
                counts: false,
                reason,
            },
            flag: Some((FlagSubject::Account, reason)),
        }
    }
}

/// What follows from a definite answer of WeChat to a send.
#[must_use]
pub fn next(class: Class, tries: Tries, errcode: i64, now: UnixMs, roll: Roll) -> Next {
    match class {
        Class::Ok => Next::plain(Verdict::Accepted),
        Class::Busy => Next::plain(Verdict::Doubt),
        Class::Duplicate => Next::plain(Verdict::Duplicate),
        Class::Token => Next::plain(Verdict::Again {
            at: now,
            counts: false,
            reason: Reason::TokenRejected,
        }),
        Class::RetiredAddress => Next::plain(Verdict::Again {
            at: now.plus(ADDRESS_PAUSE),
            counts: false,
            reason: Reason::UpstreamUnavailable,
        }),
        Class::Rate(scope) => rate(scope, now, roll),
        // Its lane stands still until the day changes, or until the quota is cleared.
        Class::Quota => Next::waits_for_account(now.plus(STOPPED_PAUSE), Reason::QuotaExhausted),
        Class::Parameter(Fault::OpenId) => {
            Next::refused_for(FlagSubject::Recipient, Reason::InvalidOpenid)
        }
        Class::Parameter(Fault::Data) => Next::refused(Reason::InvalidData),
        Class::Parameter(Fault::Link) => Next::refused(Reason::InvalidLink),
        Class::Parameter(Fault::Request) => Next::refused(Reason::InvalidRequest),
        Class::Template(fault) => template(fault, tries, errcode, now),
        Class::Content => Next::refused_for(FlagSubject::Template, Reason::ContentBlocked),
        Class::Recipient(fault) => recipient(fault),
        Class::Account(AccountFault::Blocked | AccountFault::Capability) => {
            Next::waits_for_account(now.plus(STOPPED_PAUSE), Reason::AccountUnusable)
        }
        Class::Configuration(fault) => Next::waits_for_account(
            now.plus(match fault {
                ConfigurationFault::RefusedForAnHour => Duration::from_secs(3_600),
                ConfigurationFault::RefusedForADay => Duration::from_secs(86_400),
                _ => STOPPED_PAUSE,
            }),
            Reason::AccountUnusable,
        ),
        Class::Unknown if tries.last_errcode == Some(errcode) => {
            Next::refused_for(FlagSubject::Account, Reason::UnknownCode)
        }
        Class::Unknown => Next::plain(Verdict::Again {
            at: now.plus(backoff(tries.retries, roll)),
            counts: true,
            reason: Reason::UnknownCode,
        }),
    }
}

/// Why a message was refused, where a class says so by itself.
#[must_use]
pub fn refusal(class: Class) -> Option<Reason> {
    Some(match class {
        Class::Recipient(fault) => recipient_reason(fault),
        Class::Parameter(Fault::OpenId) => Reason::InvalidOpenid,
        Class::Parameter(Fault::Data) => Reason::InvalidData,
        Class::Parameter(Fault::Link) => Reason::InvalidLink,
        Class::Template(_) => Reason::InvalidTemplate,
        Class::Content => Reason::ContentBlocked,
        Class::Rate(RateScope::Recipient) => Reason::FrequencyLimited,
        Class::Account(_) => Reason::AccountUnusable,
        Class::Quota => Reason::QuotaExhausted,
        Class::Busy => Reason::SystemFailed,
        _ => return None,
    })
}

fn rate(scope: RateScope, now: UnixMs, roll: Roll) -> Next {
    match scope {
        RateScope::Account => Next::plain(Verdict::Again {
            at: now.next_minute(),
            counts: false,
            reason: Reason::RateLimited,
        }),
        RateScope::Recipient => Next {
            verdict: Verdict::Again {
                at: now.plus(RECIPIENT_PAUSE.mul_f64(0.5 + roll.0)),
                counts: true,
                reason: Reason::FrequencyLimited,
            },
            flag: Some((FlagSubject::Recipient, Reason::FrequencyLimited)),
        },
        RateScope::Template => Next {
            verdict: Verdict::Again {
                at: now.plus(TEMPLATE_PAUSE),
                counts: true,
                reason: Reason::InvalidTemplate,
            },
            flag: Some((FlagSubject::Template, Reason::InvalidTemplate)),
        },
    }
}

fn template(fault: TemplateFault, tries: Tries, errcode: i64, now: UnixMs) -> Next {
    match fault {
        // Said now and then of a valid id: believed when it is said twice.
        TemplateFault::Unknown if tries.last_errcode != Some(errcode) => {
            Next::plain(Verdict::Again {
                at: now.plus(TEMPLATE_PAUSE),
                counts: true,
                reason: Reason::InvalidTemplate,
            })
        }
        TemplateFault::Unknown | TemplateFault::Unusable | TemplateFault::Restricted => {
            Next::refused_for(FlagSubject::Template, Reason::InvalidTemplate)
        }
    }
}

fn recipient(fault: RecipientFault) -> Next {
    Next::refused_for(FlagSubject::Recipient, recipient_reason(fault))
}

fn recipient_reason(fault: RecipientFault) -> Reason {
    match fault {
        RecipientFault::NotSubscribed => Reason::NotSubscribed,
        RecipientFault::Refused => Reason::UserRefused,
        RecipientFault::Blacklisted => Reason::UserBlocked,
        RecipientFault::Limited => Reason::UserUnavailable,
    }
}

/// Full jitter: anything up to the bound that doubles with every retry.
#[must_use]
pub fn backoff(retries: u16, roll: Roll) -> Duration {
    let bound = BACKOFF
        .0
        .saturating_mul(1 << retries.min(10))
        .min(BACKOFF.1);
    bound.mul_f64(roll.0)
}

/// How long after a call in doubt its `n`th repeat follows, give or take a fifth.
#[must_use]
pub fn repeat_after(n: u16, roll: Roll) -> Duration {
    let last = REPEAT_AFTER.len() - 1;
    REPEAT_AFTER[usize::from(n).min(last)].mul_f64(0.8 + 0.4 * roll.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn check(class: Class, last: Option<i64>, code: i64) -> Verdict {
        let tries = Tries {
            retries: 0,
            max_retries: 3,
            last_errcode: last,
        };
        next(class, tries, code, NOW, Roll(0.5)).verdict
    }

    #[test]
    fn an_unknown_template_is_believed_the_second_time() {
        let unknown = Class::Template(TemplateFault::Unknown);
        assert!(matches!(
            check(unknown, None, 40037),
            Verdict::Again { counts: true, .. }
        ));
        assert_eq!(
            check(unknown, Some(40037), 40037),
            Verdict::Refused(Reason::InvalidTemplate)
        );
    }

    #[test]
    fn an_unknown_code_is_tried_once_more() {
        assert!(matches!(
            check(Class::Unknown, None, 99),
            Verdict::Again { counts: true, .. }
        ));
        assert_eq!(
            check(Class::Unknown, Some(99), 99),
            Verdict::Refused(Reason::UnknownCode)
        );
    }

    #[test]
    fn waiting_for_token_quota_or_rate_spends_no_retry() {
        for class in [Class::Token, Class::Quota, Class::Rate(RateScope::Account)] {
            assert!(
                matches!(check(class, None, 1), Verdict::Again { counts: false, .. }),
                "{class:?}"
            );
        }
    }

    #[test]
    fn busy_is_doubt() {
        assert_eq!(check(Class::Busy, None, -1), Verdict::Doubt);
    }

    #[test]
    fn repeats_come_about_when_the_design_says() {
        let seconds: Vec<u64> = (0..6)
            .map(|n| repeat_after(n, Roll(0.5)).as_secs())
            .collect();
        assert_eq!(seconds, [2, 10, 40, 120, 240, 240]);
        assert!(backoff(9, Roll(0.999)) <= BACKOFF.1);
    }
}
