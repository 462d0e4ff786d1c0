//! WeChat's later word comes in: persisted first, then told to whoever watches. A word that came before its message's
//! msgid was stored is kept, and joined when the msgid comes.

use std::sync::Arc;

use crate::message::AccountName;
use crate::observer::{Event, Observer};
use crate::port::{AcceptError, Ledger, NewReceipt, Nonce, ReceiptTaken};
use crate::recipient::News;
use crate::time::Clock;

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
