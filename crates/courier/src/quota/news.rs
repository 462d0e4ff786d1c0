//! What sending tells of an account's quotas: that one is spent, that another kind's is drawn on, or that the account goes on.
//! Told by the dispatcher as it happens, read by the quota keeper when it gets to it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hongyan_wechat::errcode::{Class, classify};
use tokio::sync::Notify;

use crate::by_account::ByAccount;
use crate::kind::ByKind;
use crate::message::{AccountName, Kind};
use crate::observer::{Event, Observer, Source};

/// Something that the quota's keeper should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// WeChat refused for want of this kind's quota.
    Spent(Kind),
    /// What stood still for want of this kind's quota goes on.
    GoesOn(Kind),
    /// A kind was sent that was not sent before.
    Began,
}

/// What sending tells of the quotas of those accounts whose quotas are kept.
#[derive(Debug, Default)]
pub struct QuotaNews(ByAccount<OfAccount>);

#[derive(Debug, Default)]
struct OfAccount {
    told: Mutex<ToldHere>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct ToldHere {
    /// Only the last word on a kind counts.
    standing: ByKind<Option<Word>>,
    began: bool,
    sent: ByKind<bool>,
}

impl OfAccount {
    fn told(&self) -> MutexGuard<'_, ToldHere> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stands(&self, kind: Kind, word: Word) {
        self.told().standing[kind as usize] = Some(word);
        self.bell.notify_one();
    }

    /// A call for a kind besides template messages was made.
    fn sent(&self, kind: Kind) {
        let mut told = self.told();
        if !std::mem::replace(&mut told.sent[kind as usize], true) {
            told.began = true;
            self.bell.notify_one();
        }
    }
}

impl QuotaNews {
    /// Listens for one more account.
    pub(super) fn add(&self, account: AccountName) {
        self.0.insert(account, OfAccount::default());
    }

    pub(super) fn remove(&self, account: &AccountName) {
        self.0.remove(account);
    }

    /// Which kinds were sent since the process began, besides template messages.
    pub(super) fn sent(&self, account: &AccountName) -> ByKind<bool> {
        self.0
            .get(account)
            .map(|of| of.told().sent)
            .unwrap_or_default()
    }

    pub(super) async fn next(&self, account: &AccountName) -> Word {
        let Some(of) = self.0.get(account) else {
            return std::future::pending().await;
        };
        loop {
            {
                let mut told = of.told();
                if let Some(word) = told.standing.iter_mut().find_map(Option::take) {
                    return word;
                }
                if std::mem::take(&mut told.began) {
                    return Word::Began;
                }
            }
            of.bell.notified().await;
        }
    }

    fn called(&self, account: &AccountName, kind: Kind, errcode: i64) {
        let spent = errcode != 0 && classify(kind.traits().endpoint, errcode) == Class::Quota;
        // WeChat is asked for the quota of template messages in any case.
        if !spent && kind == Kind::Template {
            return;
        }
        if let Some(of) = self.0.get(account) {
            if kind != Kind::Template {
                of.sent(kind);
            }
            if spent {
                of.stands(kind, Word::Spent(kind));
            }
        }
    }
}

impl Observer for QuotaNews {
    fn observe(&self, event: &Event) {
        match event {
            Event::Called {
                account,
                kind,
                errcode: Some(errcode),
                ..
            } => self.called(account, *kind, *errcode),
            Event::Standing {
                account,
                source: Source::Lane,
                stopped: None,
            } => {
                if let Some(of) = self.0.get(account) {
                    of.stands(Kind::Template, Word::GoesOn(Kind::Template));
                }
            }
            Event::KindGoesOn { account, kind } => {
                if let Some(of) = self.0.get(account) {
                    of.stands(*kind, Word::GoesOn(*kind));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;
    use crate::message::MessageId;
    use crate::time::UnixMs;

    const SPENT: i64 = 45009;

    fn called(kind: Kind, errcode: i64) -> Event {
        Event::Called {
            id: MessageId::new(UnixMs(1_795_400_000_000)),
            account: AccountName::from("clinic"),
            kind,
            errcode: Some(errcode),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_spent_quota_is_that_of_its_kind() {
        let (news, account) = (QuotaNews::default(), AccountName::from("clinic"));
        news.add(account.clone());
        for kind in Kind::ALL.iter().copied() {
            news.observe(&called(kind, SPENT));
            let told = news.next(&account).now_or_never();
            assert_eq!(told, Some(Word::Spent(kind)));
            if kind != Kind::Template {
                news.next(&account).now_or_never();
                // One that was under way before.
                news.observe(&called(kind, 0));
                assert_eq!(news.next(&account).now_or_never(), None);
                news.observe(&Event::KindGoesOn {
                    account: account.clone(),
                    kind,
                });
                let told = news.next(&account).now_or_never();
                assert_eq!(told, Some(Word::GoesOn(kind)));
            }
        }
    }

    #[test]
    fn the_first_of_another_kind_is_told_once() {
        let (news, account) = (QuotaNews::default(), AccountName::from("clinic"));
        news.add(account.clone());
        news.observe(&called(Kind::Template, 0));
        assert_eq!(news.next(&account).now_or_never(), None);
        for told in [Some(Word::Began), None] {
            news.observe(&called(Kind::Subscription, 0));
            assert_eq!(news.next(&account).now_or_never(), told);
        }
        assert_eq!(news.sent(&account), [false, true, false, false]);
    }
}
