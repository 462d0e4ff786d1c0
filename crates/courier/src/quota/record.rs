//! What is kept of an account's quota across restarts. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calendar::{CLEARINGS_A_MONTH, month_begin};
use super::{Allowance, Habit};
use crate::message::Kind;
use crate::time::UnixMs;

/// What is kept of an account's quota.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRecord {
    /// WeChat's last word on template messages.
    pub told: Option<Told>,
    /// Its last word on the other kinds that were sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<Kind, Told>,
    /// WeChat refuses template messages for want of quota; tried again then.
    pub spent_until: Option<UnixMs>,
    /// The same of the other kinds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others_spent: BTreeMap<Kind, UnixMs>,
    /// When the quotas were cleared by this gateway, or may have been; this month's, oldest first.
    #[serde(default)]
    pub clearings: Vec<UnixMs>,
    /// WeChat refuses to clear them again before then.
    #[serde(default)]
    pub no_clearing_before: Option<UnixMs>,
}

/// WeChat's word on a day's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Calls allowed a day.
    pub limit: u64,
    /// Calls made.
    pub used: u64,
    /// Calls left.
    pub remaining: u64,
    /// When it was asked for.
    pub at: UnixMs,
}

impl Told {
    pub(super) fn is_of_today(&self, now: UnixMs) -> bool {
        self.at.next_beijing_midnight() == now.next_beijing_midnight()
    }

    /// What may still be sent today, after `since` more than WeChat knew of; nothing of another day's word.
    pub(super) fn allowance(&self, habit: &Habit, since: u64, now: UnixMs) -> Option<Allowance> {
        self.is_of_today(now).then(|| Allowance {
            remaining: self.remaining.saturating_sub(since),
            kept: habit
                .leaves_percent
                .map(|percent| self.limit.saturating_mul(u64::from(percent)) / 100),
            until: now.next_beijing_midnight(),
        })
    }
}

impl QuotaRecord {
    /// WeChat's last word on a kind.
    #[must_use]
    pub fn told(&self, kind: Kind) -> Option<Told> {
        match kind {
            Kind::Template => self.told,
            other => self.others.get(&other).copied(),
        }
    }

    /// The same, if it was said today.
    pub(super) fn told_today(&self, kind: Kind, now: UnixMs) -> Option<Told> {
        self.told(kind).filter(|told| told.is_of_today(now))
    }

    pub(super) fn tell(&mut self, kind: Kind, told: Told) {
        match kind {
            Kind::Template => self.told = Some(told),
            other => {
                self.others.insert(other, told);
            }
        }
    }

    /// What WeChat said is of no use any more.
    pub(super) fn untell(&mut self) {
        self.told = None;
        self.others.clear();
    }

    /// Until when WeChat refuses a kind for want of quota.
    #[must_use]
    pub fn spent(&self, kind: Kind, now: UnixMs) -> Option<UnixMs> {
        let until = match kind {
            Kind::Template => self.spent_until,
            other => self.others_spent.get(&other).copied(),
        };
        until.filter(|until| now < *until)
    }

    /// A kind's quota is spent until then, or is not. Answers what was known before.
    pub(super) fn spend(&mut self, kind: Kind, until: Option<UnixMs>) -> Option<UnixMs> {
        match (kind, until) {
            (Kind::Template, until) => std::mem::replace(&mut self.spent_until, until),
            (other, Some(until)) => self.others_spent.insert(other, until),
            (other, None) => self.others_spent.remove(&other),
        }
    }

    /// How often the quotas may still be cleared this month, as far as is known here.
    #[must_use]
    pub fn clearings_left(&self, now: UnixMs) -> u8 {
        if self.no_clearing_before.is_some_and(|until| now < until) {
            return 0;
        }
        let begin = month_begin(now);
        let made = self.clearings.iter().filter(|at| **at >= begin).count();
        CLEARINGS_A_MONTH.saturating_sub(u8::try_from(made).unwrap_or(u8::MAX))
    }

    pub(super) fn cleared(&mut self, now: UnixMs) {
        let begin = month_begin(now);
        self.clearings.retain(|at| *at >= begin);
        self.clearings.push(now);
    }

    /// A clearing that was counted was not made after all.
    pub(super) fn not_cleared(&mut self, at: UnixMs) {
        if let Some(nth) = self.clearings.iter().rposition(|made| *made == at) {
            self.clearings.remove(nth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::month_end;
    use super::*;

    #[test]
    fn what_is_left_is_wechats_word_less_what_was_sent_since_and_only_for_its_day() {
        let told = Told {
            limit: 1_000,
            used: 900,
            remaining: 100,
            at: UnixMs(1_795_400_000_000),
        };
        let habit = Habit {
            poll: std::time::Duration::from_secs(600),
            leaves_percent: [0, 5, 20],
        };
        let allowance = told.allowance(&habit, 30, told.at).unwrap();
        assert_eq!((allowance.remaining, allowance.kept), (70, [0, 50, 200]));
        assert_eq!(allowance.until, told.at.next_beijing_midnight());
        assert_eq!(told.allowance(&habit, 101, told.at).unwrap().remaining, 0);
        assert_eq!(told.allowance(&habit, 0, allowance.until), None);
    }

    #[test]
    fn a_record_of_an_older_version_is_of_template_messages() {
        let old =
            r#"{"told":{"limit":9,"used":1,"remaining":8,"at":5},"spent_until":70,"clearings":[]}"#;
        let record: QuotaRecord = serde_json::from_str(old).unwrap();
        assert_eq!(record.told(Kind::Template).unwrap().remaining, 8);
        assert_eq!(record.told(Kind::Subscription), None);
        let spent = |at| record.spent(Kind::Template, UnixMs(at));
        assert_eq!((spent(69), spent(70)), (Some(UnixMs(70)), None));
    }

    #[test]
    fn clearings_count_for_their_month() {
        let now = UnixMs(1_795_400_000_000);
        let mut record = QuotaRecord::default();
        for left in (0..10).rev() {
            record.cleared(UnixMs(now.0 + i64::from(left)));
            assert_eq!(record.clearings_left(now), left);
        }
        record.not_cleared(UnixMs(now.0 + 3));
        assert_eq!(record.clearings_left(now), 1);
        let next = month_end(now);
        assert_eq!(record.clearings_left(next), CLEARINGS_A_MONTH);
        record.cleared(next);
        assert_eq!(
            record.clearings,
            [next],
            "what no longer counts is forgotten"
        );
        record.no_clearing_before = Some(month_end(next));
        assert_eq!(
            record.clearings_left(next),
            0,
            "WeChat counts what others did too"
        );
    }
}
