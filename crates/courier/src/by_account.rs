//! Things of which each account has one, where accounts come and go while others are at work.
//! Whoever holds an account's thing may finish with it after the account is gone.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::message::AccountName;

/// One `T` for each account.
#[derive(Debug)]
pub struct ByAccount<T>(RwLock<HashMap<AccountName, Arc<T>>>);

impl<T> ByAccount<T> {
    /// The account's, if there is such an account.
    #[must_use]
    pub fn get(&self, account: &AccountName) -> Option<Arc<T>> {
        self.read().get(account).cloned()
    }

    /// Gives an account its own; one that was there before is gone.
    pub fn insert(&self, account: AccountName, its: T) {
        self.write().insert(account, Arc::new(its));
    }

    /// The account is gone.
    pub fn remove(&self, account: &AccountName) {
        self.write().remove(account);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AccountName, Arc<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AccountName, Arc<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for ByAccount<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}
