//! Accounts and kinds that stand still, and quotas that are spent or will not last the day.
//! It must not decide what is sent.

use std::time::Duration;

use hongyan_courier::dispatch::KindHold;
use hongyan_courier::message::{AccountName, Kind, Reason};
use hongyan_courier::quota::{QuotaView, Today};
use hongyan_courier::time::UnixMs;

use super::advice;
use super::{Attention, AttentionItem};
use crate::api::error::Problem;
use crate::api::moments::Moment;
use crate::condition::State as Standing;

/// Whoever sent within so long may go on to.
const LATELY: Duration = Duration::from_secs(5 * 60);

/// An account that is not well.
pub(super) fn of_account(attention: &Attention, name: &AccountName) -> Option<AttentionItem> {
    let (condition, _) = attention.conditions.of(name);
    if condition.state == Standing::Ok {
        return None;
    }
    let quota = attention.quotas.view(name).filter(|_| condition.by_calls);
    let detail = condition.detail;
    match quota.and_then(|quota| quota.spent[Kind::Template as usize]) {
        Some(_) => Some(AttentionItem {
            key: Some(Kind::Template.as_str().to_owned()),
            reason: Some("quota_exhausted"),
            detail,
            command: Some(format!("hongyan accounts show {name}")),
            ..AttentionItem::new("account", name, advice::QUOTA_EXHAUSTED)
        }),
        None => Some(AttentionItem {
            detail,
            command: Some(format!("hongyan token show {name}")),
            ..AttentionItem::new("account", name, advice::ACCOUNT)
        }),
    }
}

/// Kinds that WeChat does not take, while it may take the account's others.
pub(super) fn of_kinds(attention: &Attention, name: &AccountName) -> Vec<AttentionItem> {
    let refused = attention.quotas.view(name).map(|quota| quota.refused);
    let each = Kind::ALL.iter().zip(refused.unwrap_or_default());
    let of_kind = |(kind, hold): (&Kind, Option<KindHold>)| {
        let hold = hold?;
        let advice = match hold.reason {
            Reason::QuotaExhausted => advice::QUOTA_EXHAUSTED,
            _ => advice::KIND,
        };
        Some(AttentionItem {
            key: Some(kind.as_str().to_owned()),
            reason: Some(hold.reason.as_str()),
            at: Some(Moment(hold.until)),
            command: Some(format!("hongyan accounts show {name}")),
            ..AttentionItem::new("kind", name, advice)
        })
    };
    each.filter_map(of_kind).collect()
}

/// Quotas of which nothing is left, or that run out today at the pace of late. Of one that WeChat calls spent it is told elsewhere.
pub(super) async fn of_quotas(
    attention: &Attention,
    name: &AccountName,
) -> Result<Vec<AttentionItem>, Problem> {
    let Some(quota) = attention.quotas.view(name) else {
        return Ok(Vec::new());
    };
    let known = || {
        let spent = quota.spent;
        let known = quota.known();
        known.filter(move |(kind, _)| spent[*kind as usize].is_none())
    };
    if !known().any(|(_, today)| today.runs_out_at.is_some()) {
        return Ok(Vec::new());
    }
    let until = quota.renewed_at;
    let queued = attention.book.queued_before(name, until).await?;
    let (waits, now) = (queued.iter().any(|count| *count > 0), attention.clock.now());
    let items = known().filter_map(|(kind, today)| {
        let used = waits || went_out_lately(&quota, kind, now);
        of_quota(name, kind, today, used)
    });
    Ok(items.collect())
}

fn went_out_lately(quota: &QuotaView, kind: Kind, now: UnixMs) -> bool {
    let last = quota.sent_at[kind as usize];
    last.is_some_and(|at| now.since(at) < LATELY)
}

/// `used` says whether anything may still use it: a burst that is over brings no quota to its end.
fn of_quota(name: &AccountName, kind: Kind, today: Today, used: bool) -> Option<AttentionItem> {
    let runs_out_at = today.runs_out_at?;
    let (reason, advice) = match today.remaining {
        0 => ("quota_exhausted", advice::QUOTA_EXHAUSTED),
        _ if !used => return None,
        _ => ("quota_low", advice::QUOTA_LOW),
    };
    Some(AttentionItem {
        key: Some(kind.as_str().to_owned()),
        reason: Some(reason),
        at: Some(Moment(runs_out_at)),
        detail: Some(format!(
            "{} of {} left; {} an hour of late",
            today.remaining, today.limit, today.per_hour
        )),
        command: Some(format!("hongyan accounts show {name}")),
        ..AttentionItem::new("quota", name, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_400_000_000);

    fn listed(remaining: u64, used: bool) -> Option<AttentionItem> {
        let today = Today {
            limit: 1_000,
            used: 1_000 - remaining,
            remaining,
            told_at: NOW,
            per_hour: 900,
            runs_out_at: Some(NOW),
        };
        of_quota(&"clinic".into(), Kind::Template, today, used)
    }

    #[test]
    fn a_quota_that_nothing_uses_any_more_will_last() {
        assert_eq!(listed(10, true).unwrap().reason, Some("quota_low"));
        assert!(listed(10, false).is_none());
        let empty = listed(0, false).unwrap();
        assert_eq!(empty.reason, Some("quota_exhausted"));
        assert!(empty.action.contains("hongyan accounts clear-quota"));
        assert_eq!(
            empty.command.as_deref(),
            Some("hongyan accounts show clinic")
        );
    }

    #[test]
    fn what_went_out_within_minutes_may_go_on() {
        let mut quota = QuotaView {
            today: Default::default(),
            sent_at: Default::default(),
            error: None,
            refused: Default::default(),
            spent: Default::default(),
            clearings_left: 10,
            renewed_at: NOW,
        };
        let now = NOW.plus(LATELY);
        assert!(!went_out_lately(&quota, Kind::Template, now));
        quota.sent_at[Kind::Template as usize] = Some(NOW);
        assert!(!went_out_lately(&quota, Kind::Template, now));
        let a_moment_before = now.minus(Duration::from_millis(1));
        assert!(went_out_lately(&quota, Kind::Template, a_moment_before));
    }
}
