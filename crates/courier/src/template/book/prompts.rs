//! What WeChat's answers to messages say of their templates, heard for the tasks that fetch lists.
//! It must not fetch anything.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::message::{AccountName, Reason, Status};
use crate::observer::{Event, Observer};

/// Hears what answers say of templates, for the tasks that fetch lists.
#[derive(Debug)]
pub struct Prompts(HashMap<AccountName, Notify>);

impl Prompts {
    /// For these accounts.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = AccountName>) -> Arc<Self> {
        let each = accounts.into_iter().map(|account| (account, Notify::new()));
        Arc::new(Self(each.collect()))
    }

    pub(super) async fn prompted(&self, account: &AccountName) {
        match self.0.get(account) {
            Some(prompt) => prompt.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Observer for Prompts {
    fn observe(&self, event: &Event) {
        /// WeChat does not know the template.
        const UNKNOWN: i64 = 40037;
        let account = match event {
            Event::Called {
                account,
                errcode: Some(UNKNOWN),
                ..
            } => account,
            // The stop that it may have caused is stored by now, so a list can end it.
            Event::Moved {
                account,
                status: Status::Failed,
                reason: Some(Reason::InvalidTemplate | Reason::ContentBlocked),
                ..
            } => account,
            _ => return,
        };
        if let Some(prompt) = self.0.get(account) {
            prompt.notify_one();
        }
    }
}
