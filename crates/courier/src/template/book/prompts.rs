//! What WeChat's answers to messages say of their templates, heard for the tasks that fetch lists.
//! It must not fetch anything.

use tokio::sync::Notify;

use crate::by_account::ByAccount;
use crate::message::{AccountName, Reason, Status};
use crate::observer::{Event, Observer};

/// Hears what answers say of templates, for the tasks that fetch lists.
#[derive(Debug, Default)]
pub struct Prompts(ByAccount<Notify>);

impl Prompts {
    /// Listens for one more account.
    pub(super) fn add(&self, account: AccountName) {
        self.0.insert(account, Notify::new());
    }

    pub(super) fn remove(&self, account: &AccountName) {
        self.0.remove(account);
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
