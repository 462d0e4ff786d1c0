//! What sending tells of an account's quota: that it is spent, or that the account goes on.
//! Told by the dispatcher as it happens, read by the quota keeper when it gets to it.

use std::sync::{Mutex, PoisonError};

use hongyan_wechat::errcode::{Class, Endpoint, classify};
use tokio::sync::Notify;

use crate::by_account::ByAccount;
use crate::message::AccountName;
use crate::observer::{Event, Observer, Source};

/// Something that the quota's keeper should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// WeChat refused for want of quota.
    Spent,
    /// What stood still goes on.
    GoesOn,
}

/// What sending tells of the quotas of those accounts whose quotas are kept.
#[derive(Debug, Default)]
pub struct QuotaNews(ByAccount<(Mutex<Option<Word>>, Notify)>);

impl QuotaNews {
    /// Listens for one more account.
    pub(super) fn add(&self, account: AccountName) {
        self.0.insert(account, Default::default());
    }

    pub(super) fn remove(&self, account: &AccountName) {
        self.0.remove(account);
    }

    pub(super) async fn next(&self, account: &AccountName) -> Word {
        let Some(told) = self.0.get(account) else {
            return std::future::pending().await;
        };
        let (word, bell) = &*told;
        loop {
            let told = word.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(told) = told {
                return told;
            }
            bell.notified().await;
        }
    }

    fn tell(&self, account: &AccountName, told: Word) {
        if let Some(of) = self.0.get(account) {
            let (word, bell) = &*of;
            *word.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            bell.notify_one();
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
            } if kind.traits().of_the_quota
                && *errcode != 0
                && classify(Endpoint::TemplateSend, *errcode) == Class::Quota =>
            {
                self.tell(account, Word::Spent);
            }
            Event::Standing {
                account,
                source: Source::Lane,
                stopped: None,
            } => self.tell(account, Word::GoesOn),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;
    use crate::message::{Kind, MessageId};
    use crate::time::UnixMs;

    const SPENT: i64 = 45009;

    #[test]
    fn another_kinds_spent_quota_says_nothing_of_the_templates() {
        let (news, account) = (QuotaNews::default(), AccountName::from("clinic"));
        news.add(account.clone());
        for kind in Kind::ALL.iter().copied() {
            news.observe(&Event::Called {
                id: MessageId::new(UnixMs(1_795_400_000_000)),
                account: account.clone(),
                kind,
                errcode: Some(SPENT),
                took: Duration::ZERO,
            });
            let told = news.next(&account).now_or_never();
            assert_eq!(
                told,
                (kind == Kind::Template).then_some(Word::Spent),
                "{kind}"
            );
        }
    }
}
