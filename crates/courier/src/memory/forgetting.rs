//! Recipients that are forgotten, and those who left.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::account::FlagSubject;
use crate::message::{AccountName, MessageId};
use crate::port::{AcceptError, Nonce, StoreError, Swept};
use crate::recipient::Following;
use crate::recipient::forget::{Fate, Forgetting, Forgotten, Whom, fate, scrubbed};
use crate::time::UnixMs;

impl State {
    fn forget(&mut self, whom: &Whom, limit: usize, now: UnixMs) -> Forgotten {
        let key = (whom.account.clone(), whom.openid.clone());
        let begun = self.forgetting.get(&key);
        if begun.is_none_or(|begun| begun.pseudonym != whom.pseudonym) {
            self.recipients.remove(&key);
            self.lower(&whom.account, FlagSubject::Recipient, &whom.openid);
        }
        let of_user = self
            .rows
            .values()
            .map(|row| &row.message)
            .filter(|message| {
                let content = &message.content;
                (&content.account, &content.touser) == (&whom.account, &whom.openid)
                    && message.created_at <= whom.until
            });
        let fates: Vec<(MessageId, Fate)> = of_user
            .map(|message| (message.id, fate(message.content.kind, &message.delivery)))
            .collect();
        let (left, done): (Vec<_>, Vec<_>) = fates
            .into_iter()
            .partition(|(_, fate)| *fate == Fate::Leave);
        let mut forgotten = Forgotten {
            under_way: left.len(),
            more: done.len() > limit,
            ..Forgotten::default()
        };
        for (id, fate) in done.into_iter().take(limit) {
            if fate == Fate::Cancel {
                let _ = self.change(id, now, |_, delivery| delivery.cancel());
                forgotten
                    .cancelled
                    .extend(self.moved(id).map(|moved| Swept {
                        id,
                        account: whom.account.clone(),
                        status: moved.status,
                        reason: moved.reason,
                    }));
            }
            self.scrub(id, whom);
            forgotten.messages += 1;
        }
        if forgotten.more || forgotten.under_way > 0 {
            self.forgetting.insert(key, whom.clone());
        } else {
            self.forgetting.remove(&key);
            self.forget_receipts(whom);
        }
        forgotten
    }

    fn scrub(&mut self, id: MessageId, whom: &Whom) {
        let Some(row) = self.rows.get_mut(&id) else {
            return;
        };
        let content = scrubbed(&row.message.content, &whom.pseudonym);
        row.message.content = Arc::new(content);
    }

    /// Those that found no message go, and the others name nobody.
    fn forget_receipts(&mut self, whom: &Whom) {
        let of_user = |account: &AccountName, openid: &str| {
            (account, openid) == (&whom.account, whom.openid.as_str())
        };
        self.orphans
            .retain(|(receipt, _)| !of_user(&receipt.account, &receipt.openid));
        let receipts = std::mem::take(&mut self.receipts);
        let renamed = receipts.into_iter().map(|(mut key, at)| {
            if of_user(&key.0, &key.2) {
                key.2.clone_from(&whom.pseudonym);
            }
            (key, at)
        });
        self.receipts = renamed.collect();
    }
}

#[async_trait]
impl Forgetting for MemoryStore {
    async fn forget(
        &self,
        whom: &Whom,
        limit: usize,
        nonce: Option<Nonce>,
        now: UnixMs,
    ) -> Result<Forgotten, AcceptError> {
        let mut state = self.state();
        if !state.spend(nonce.as_ref()) {
            return Err(AcceptError::NonceSeen);
        }
        let forgotten = state.forget(whom, limit, now);
        state.note(nonce.as_ref());
        Ok(forgotten)
    }

    async fn forget_rows(
        &self,
        account: &AccountName,
        openids: HashSet<String>,
        _: UnixMs,
    ) -> Result<usize, StoreError> {
        self.state().forget_rows(account, &openids)
    }

    async fn unfinished(&self, limit: usize) -> Result<Vec<Whom>, StoreError> {
        let state = self.state();
        Ok(state.forgetting.values().take(limit).cloned().collect())
    }

    async fn departed(
        &self,
        left_before: UnixMs,
        limit: usize,
    ) -> Result<Vec<(AccountName, String)>, StoreError> {
        let state = self.state();
        let known = state.recipients.iter();
        let mut left: Vec<_> = known
            .filter(|(_, known)| known.state == Following::Unsubscribed)
            .filter_map(|(key, known)| Some((known.since?, key)))
            .filter(|(since, _)| *since < left_before)
            .collect();
        left.sort_unstable();
        left.truncate(limit);
        Ok(left.into_iter().map(|(_, key)| key.clone()).collect())
    }
}
