//! Who did what: a list that only grows.

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::audit::{Act, Audit, AuditFilter, Entry, FIRST, seal};
use crate::port::{Nonce, StoreError};

impl State {
    /// Writes down what a call did.
    pub(super) fn note(&mut self, nonce: Option<&Nonce>) {
        if let Some(act) = nonce.and_then(|nonce| nonce.act.as_deref()) {
            self.record(act.clone());
        }
    }

    fn record(&mut self, act: Act) {
        let number = self.audit.len() as u64 + 1;
        let before = self.audit.last().map_or(FIRST, |entry| entry.seal);
        self.audit.push(Entry {
            number,
            seal: seal(&before, number, &act),
            act,
        });
    }
}

fn fits(filter: &AuditFilter, entry: &Entry) -> bool {
    fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
        wanted.is_none() || wanted == found
    }
    let act = &entry.act;
    let in_account = || {
        let account = act.account.as_ref();
        account.is_some_and(|account| filter.accounts.contains(account))
    };
    is(filter.who.as_ref(), Some(&act.who))
        && is(filter.subject.as_ref(), act.subject.as_ref())
        && is(filter.recipient.as_ref(), act.recipient.as_ref())
        && (filter.accounts.is_empty() || in_account())
        && filter.since.is_none_or(|since| act.at >= since)
        && filter.until.is_none_or(|until| act.at < until)
        && filter.before.is_none_or(|before| entry.number < before)
        && filter.after.is_none_or(|after| entry.number > after)
}

#[async_trait]
impl Audit for MemoryStore {
    async fn record(&self, act: Act) -> Result<(), StoreError> {
        self.state().record(act);
        Ok(())
    }

    async fn audited(&self, filter: AuditFilter, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let state = self.state();
        let fitting = state.audit.iter().filter(|entry| fits(&filter, entry));
        Ok(match filter.after {
            Some(_) => fitting.take(limit).cloned().collect(),
            None => fitting.rev().take(limit).cloned().collect(),
        })
    }
}
