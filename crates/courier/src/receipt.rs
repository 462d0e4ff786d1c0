//! WeChat's later word comes in: persisted first, then told to whoever watches. A word that came before its message's
//! msgid was stored is kept, and joined when the msgid comes.

use std::sync::Arc;

use crate::delivery::{Policy, ReceiptWord};
use crate::message::{AccountName, MessageId, Status};
use crate::next::Roll;
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Ledger, Nonce};
use crate::recipient::News;
use crate::time::{Clock, UnixMs};

/// A receipt as it came.
#[derive(Clone, PartialEq)]
pub struct NewReceipt {
    /// For which account.
    pub account: AccountName,
    /// Of which call. Where `template_id` is set few calls answered it, and it is only what a second delivery is known by.
    pub msgid: i64,
    /// Of which template, in an event for a kind without msgid: its message is found by openid, template and time.
    pub template_id: Option<String>,
    /// For whom.
    pub openid: String,
    /// What it says.
    pub word: ReceiptWord,
    /// In WeChat's words.
    pub status: String,
    /// WeChat's time of the event, Unix seconds.
    pub create_time: i64,
    /// The account's settings.
    pub policy: Policy,
    /// For the jitter of what follows.
    pub roll: Roll,
}

hongyan_wechat::debug_without!(
    NewReceipt: account, msgid, template_id, word, status, create_time, policy, roll; openid
);

impl NewReceipt {
    /// WeChat's time of the event.
    #[must_use]
    pub fn event_at(&self) -> UnixMs {
        UnixMs(self.create_time.saturating_mul(1000))
    }
}

/// What became of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptTaken {
    /// It was joined with this message, which now stands here.
    Joined(MessageId, Status),
    /// Its msgid is not known yet: kept until it is.
    Orphan,
    /// It came before.
    Known,
}

/// Where receipts come in.
pub struct Receipts {
    /// The messages as records.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
}

impl Receipts {
    /// Takes a receipt; durable when it answers.
    pub async fn receive(
        &self,
        receipt: NewReceipt,
        nonce: Option<Nonce>,
    ) -> Result<ReceiptTaken, AcceptError> {
        let (account, said): (AccountName, String) =
            (receipt.account.clone(), receipt.status.clone());
        let news = News::of_receipt(&receipt);
        let taken = self
            .ledger
            .receive(receipt, nonce, self.clock.now())
            .await?;
        let joined = match taken {
            ReceiptTaken::Joined(id, status) => Some((id, status)),
            ReceiptTaken::Orphan => None,
            ReceiptTaken::Known => return Ok(taken),
        };
        self.observer.observe(&Event::Receipt {
            account: account.clone(),
            status: said,
            joined: joined.map(|(id, _)| id),
        });
        // What did not count for its message was not heard either.
        let counts =
            joined.is_none_or(|(_, stands)| matches!(stands, Status::Failed | Status::Unconfirmed));
        let news = news.filter(|_| counts);
        if let Some(reason) = news.and_then(|news| news.suppresses_for()) {
            self.observer.observe(&Event::Suppressed {
                account: account.clone(),
                reason,
            });
        }
        if let Some((id, status)) = joined {
            self.observer.observe(&Event::Moved {
                id,
                account,
                status,
                reason: None,
                msgid: None,
            });
        }
        Ok(taken)
    }
}
