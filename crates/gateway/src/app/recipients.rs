//! What the recipients need of the rest: where news goes, who is asked about users, how often one is written to.
//! It must not run anything.

use std::sync::Arc;

use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::AccountName;
use hongyan_courier::recipient::RecipientLimit;
use hongyan_courier::recipient::confirm::Confirmations;
use hongyan_courier::recipient::forget::{AfterUnsubscribe, Forgetter};
use hongyan_courier::recipient::hearing::Hearing;
use tokio_util::task::TaskTracker;

use super::Core;
use crate::api::recipients::Contacts;
use crate::config::Config;
use crate::config::accounts::Account;
use crate::role::Roles;

pub(super) fn hearing(core: &Core) -> Hearing {
    Hearing {
        recipients: core.store.clone(),
        slots: core.slots.clone(),
        clock: core.clock.clone(),
        observer: core.observer.clone(),
    }
}

pub(super) fn confirmations(core: &Core, roles: Roles) -> Option<Confirmations> {
    roles.works().then(|| Confirmations {
        hearing: hearing(core),
        followers: core.upstream.clone(),
        keeper: core.keeper.clone(),
    })
}

pub(super) fn after_unsubscribe(config: &Config) -> Arc<AfterUnsubscribe> {
    let remembered = config.recipients.forget_after_unsubscribe;
    Arc::new(AfterUnsubscribe::new(remembered))
}

pub(super) fn forgetter(core: &Core) -> Arc<Forgetter> {
    Arc::new(Forgetter {
        store: core.store.clone(),
        clock: core.clock.clone(),
        observer: core.observer.clone(),
        after_unsubscribe: core.after_unsubscribe.clone(),
        tasks: TaskTracker::new(),
    })
}

pub(super) fn contacts(core: &Core) -> Contacts {
    Contacts {
        accounts: core.accounts.load_full(),
        recipients: core.store.clone(),
        hearing: hearing(core),
        forgetter: forgetter(core),
        clock: core.clock.clone(),
    }
}

pub(super) fn limit(slots: &Slots, account: &Account) {
    let limits = account.recipient_limits.iter().map(RecipientLimit::from);
    let name = AccountName::from(account.name.as_str());
    slots.limit_recipients(&name, limits.collect());
}
