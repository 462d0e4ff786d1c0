//! One account's watch: asks WeChat what is left, more often towards the end and never in a hurry, and remembers what
//! sending told meanwhile.

use std::sync::Arc;
use std::time::Duration;

use hongyan_wechat::error::CallError;
use hongyan_wechat::quota::QuotaReport;
use tokio_util::sync::CancellationToken;

use super::calendar::renewed_after;
use super::count::{CallsIn, Count};
use super::news::Word;
use super::{Account, Parts, QuotaRecord, Quotas, Told};
use crate::message::{AccountName, Kind};
use crate::observer::{Event, Source};
use crate::time::UnixMs;

/// The pause while there is no token to ask with.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// After a poll that failed, the longest pause, as a multiple of the usual one.
const BACKOFF_MAX: u32 = 6;
/// From these parts of the limit on, in percent, it is asked so many times as often as usual.
const MORE_OFTEN: [(u64, u32); 2] = [(5, 10), (20, 4)];
/// It is never asked more often than this, unless an operator set a shorter usual pause.
const PAUSE_MIN: Duration = Duration::from_secs(30);

/// A new day is asked for so long after it began.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(5);

impl Quotas {
    /// Watches one account's quota until told to stop.
    pub async fn watch(self: Arc<Self>, account: AccountName, stop: CancellationToken) {
        let Some(found) = self.accounts.get(&account) else {
            return;
        };
        let mut poll_at = self.parts.clock.now();
        loop {
            let now = self.parts.clock.now();
            if now >= poll_at {
                tokio::select! {
                    () = stop.cancelled() => return,
                    pause = self.poll(&account, &found) => {
                        let changed = now.next_beijing_midnight().plus(AFTER_MIDNIGHT);
                        poll_at = now.plus(pause).min(changed);
                    }
                }
            }
            let pause = poll_at.since(self.parts.clock.now());
            let word = tokio::select! {
                () = stop.cancelled() => return,
                () = found.nudge.notified() => {
                    poll_at = self.parts.clock.now();
                    continue;
                }
                word = self.parts.news.next(&account) => word,
                () = tokio::time::sleep(pause) => continue,
            };
            let (kind, spent) = match word {
                Word::Spent(kind) => (kind, true),
                Word::GoesOn(kind) => (kind, false),
                Word::Began => {
                    poll_at = self.parts.clock.now();
                    continue;
                }
            };
            if self.heard(&account, &found, kind, spent).await {
                let soon = found.habit().poll / MORE_OFTEN[0].1;
                poll_at = poll_at.min(self.parts.clock.now().plus(soon));
            }
        }
    }

    /// Asks WeChat of each kind that the account sends, and answers how long to wait until the next time.
    async fn poll(&self, account: &AccountName, found: &Account) -> Duration {
        let usual = found.habit().poll;
        let (mut next, mut failed) = (None::<Duration>, None);
        for kind in self.asked_for(account, found) {
            match self.ask(account, kind).await {
                Asked::NoToken => return TOKEN_PAUSE.min(usual),
                Asked::Told(said) => {
                    let pause = pause(usual, said.told);
                    self.take(account, found, kind, said).await;
                    next = Some(next.map_or(pause, |other| other.min(pause)));
                }
                Asked::Failed(error) => {
                    tracing::warn!(%account, %kind, %error, "cannot ask for the quota");
                    failed = Some((kind, error));
                }
            }
        }
        let sent = self.taken(account, self.parts.clock.now());
        let mut held = found.held();
        let rates = held.counts.iter().filter_map(Count::rate);
        let slowest = rates.min_by(|one, other| per_second(*one).total_cmp(&per_second(*other)));
        self.parts.slots.told_rate(account, slowest);
        // A mini-program has no template messages, which troubles nobody.
        let matters = |kind: Kind| next.is_none() || sent[kind as usize] > 0;
        held.error = failed
            .filter(|(kind, _)| matters(*kind))
            .map(|(kind, error)| format!("{kind}: {error}"));
        held.failing = match next {
            Some(_) => 0,
            None => held.failing.saturating_add(1),
        };
        next.unwrap_or(usual * held.failing.min(BACKOFF_MAX))
    }

    /// Template messages, and the other kinds that were sent today or since the process began.
    fn asked_for(&self, account: &AccountName, found: &Account) -> Vec<Kind> {
        let (sent, now) = (self.parts.news.sent(account), self.parts.clock.now());
        let held = found.held();
        let today = |kind: Kind| held.record.told_today(kind, now).is_some();
        let asked = |kind: &Kind| *kind == Kind::Template || sent[*kind as usize] || today(*kind);
        Kind::ALL.iter().copied().filter(asked).collect()
    }

    async fn ask(&self, account: &AccountName, kind: Kind) -> Asked {
        let Parts {
            keeper,
            clock,
            desk,
            ..
        } = &self.parts;
        let Ok(token) = keeper.current(account) else {
            return Asked::NoToken;
        };
        let asked_at = clock.now();
        let base = self.taken(account, asked_at)[kind as usize];
        let answer = desk.report(account, kind, &token.secret).await;
        if keeper.answered(account, &token, &answer) {
            return Asked::NoToken;
        }
        match answer {
            Ok(report) => Asked::Told(Said {
                told: told(&report, asked_at),
                rate: rate(&report),
                base,
            }),
            Err(error) => Asked::Failed(error),
        }
    }

    async fn take(&self, account: &AccountName, found: &Account, kind: Kind, said: Said) {
        let now = self.parts.clock.now();
        let slots = &self.parts.slots;
        let lane = slots.lane(account, now);
        let closed = lane.is_some_and(|lane| lane.stopped);
        let taken = lane.map_or(0, |lane| lane.taken[kind as usize]);
        let told = said.told;
        let (record, since, probe, standing) = {
            let mut held = found.held();
            held.record.tell(kind, told);
            let count = &mut held.counts[kind as usize];
            count.told(told, said.rate, said.base);
            let since = count.sent_since(taken);
            let stopped = held.record.spent(kind, now).is_some();
            // A word that was asked for at the moment of the refusal says nothing against it.
            let soon = found.habit().poll / MORE_OFTEN[0].1;
            let spent_at = held.spent_at[kind as usize];
            let later = spent_at.is_none_or(|at| told.at >= at.plus(soon));
            let standing = standing(&mut held.record, kind, (told, closed), now);
            let probe = stopped && later && told.remaining > 0;
            (held.record.clone(), since, probe, standing)
        };
        slots.allow(account, kind, told.allowance(&found.habit(), since, now));
        // WeChat's two words may differ for long, so one message alone tries it.
        if probe {
            slots.probe(account, kind, now);
        }
        match standing {
            Some(Word::Spent(_)) => tell_spent(&self.parts, account, renewed_after(now)),
            Some(_) => self.parts.observer.observe(&Event::Standing {
                account: account.clone(),
                source: Source::Lane,
                stopped: None,
            }),
            None => {}
        }
        self.persist(account, record).await;
    }

    /// Remembers what sending told. Answers whether a quota was not known to be spent.
    async fn heard(&self, account: &AccountName, found: &Account, kind: Kind, spent: bool) -> bool {
        let now = self.parts.clock.now();
        let (record, news) = {
            let mut held = found.held();
            let until = spent.then(|| renewed_after(now));
            let before = held.record.spend(kind, until);
            if before == until {
                return false;
            }
            let news = spent && before.is_none();
            if news {
                held.spent_at[kind as usize] = Some(now);
            }
            (held.record.clone(), news)
        };
        self.persist(account, record).await;
        news
    }

    pub(super) async fn persist(&self, account: &AccountName, record: QuotaRecord) {
        if let Err(error) = self.parts.book.set_quota(account, record).await {
            tracing::warn!(%error, %account, "cannot store the account's quota");
        }
    }
}

/// Whoever looks sees an account of which nothing is left as one that WeChat refused, though no call was: its lane is open to
/// what is in doubt, and the allowance holds back the rest. Answers whether that began or is over.
fn standing(
    record: &mut QuotaRecord,
    kind: Kind,
    (told, closed): (Told, bool),
    now: UnixMs,
) -> Option<Word> {
    if kind != Kind::Template || closed || told.limit == 0 {
        return None;
    }
    match (told.remaining, record.spent_until) {
        (0, None) => {
            record.spend(kind, Some(renewed_after(now)));
            Some(Word::Spent(kind))
        }
        (1.., Some(_)) => {
            record.spend(kind, None);
            Some(Word::GoesOn(kind))
        }
        _ => None,
    }
}

/// What came of asking.
enum Asked {
    NoToken,
    Told(Said),
    Failed(CallError),
}

/// WeChat's word on a kind.
struct Said {
    told: Told,
    rate: Option<CallsIn>,
    /// What the lane had sent of it when WeChat was asked.
    base: u64,
}

/// Says that an account was found stopped, to whoever watches.
pub(super) fn tell_spent(parts: &Parts, account: &AccountName, until: UnixMs) {
    let until = jiff::Timestamp::from_millisecond(until.0).map(|at| at.to_string());
    let stopped = format!(
        "WeChat does not take this account's messages: the day's quota is spent; it is tried again at {}",
        until.unwrap_or_default()
    );
    parts.observer.observe(&Event::Standing {
        account: account.clone(),
        source: Source::Lane,
        stopped: Some(stopped),
    });
}

fn told(report: &QuotaReport, at: UnixMs) -> Told {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    Told {
        limit: count(report.quota.daily_limit),
        used: count(report.quota.used),
        remaining: count(report.quota.remain),
        at,
    }
}

fn per_second((calls, within): CallsIn) -> f64 {
    calls as f64 / within.as_secs_f64()
}

fn rate(report: &QuotaReport) -> Option<CallsIn> {
    let limit = report.rate_limit?;
    let calls = u64::try_from(limit.call_count).ok().filter(|n| *n > 0)?;
    let seconds = u64::try_from(limit.refresh_second).ok()?;
    Some((calls, Duration::from_secs(seconds)))
}

/// How long until WeChat is asked again, after this word. Once nothing is left there is no hurry.
fn pause(usual: Duration, told: Told) -> Duration {
    if told.remaining == 0 {
        return usual;
    }
    let left_percent = told.remaining.saturating_mul(100) / told.limit.max(1);
    let often = MORE_OFTEN.iter().find(|(below, _)| left_percent < *below);
    let pause = often.map_or(usual, |(_, times)| usual / *times);
    pause.max(PAUSE_MIN.min(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_more_often_towards_the_end() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let after = |remaining, usual| {
            let told = Told {
                limit: 1_000,
                used: 1_000 - remaining,
                remaining,
                at: UnixMs(0),
            };
            pause(usual, told)
        };
        let usual = minutes(10);
        assert_eq!(after(1_000, usual), usual);
        assert_eq!(after(199, usual), usual / 4);
        assert_eq!(after(49, usual), minutes(1));
        assert_eq!(after(1, minutes(2)), PAUSE_MIN);
        assert_eq!(after(0, usual), usual);
        let second = Duration::from_secs(1);
        assert_eq!(after(1, second), second);
    }
}
