//! What the configuration says of accounts, as the values that the parts are made with.
//! It must not put anything together: `app` does.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_courier::delivery::Policy;
use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::TokenMode;
use hongyan_courier::quota;
use hongyan_courier::rate::PerSecond;
use hongyan_courier::token::Habit;

use super::{RECEIPT_RETRIES, recipients};
use crate::api::accounts::{Accounts, Known};
use crate::config::Config;
use crate::config::accounts::{Account, Receipts as ReceiptHabit};
use crate::config::upstream::TokenMode as ConfiguredMode;

pub(super) fn known(config: &Config) -> Accounts {
    Accounts::new(config.accounts.iter().map(known_of).collect())
}

fn known_of(account: &Account) -> Known {
    Known {
        name: AccountName::from(account.name.as_str()),
        appid: account.appid.clone(),
        receipts: account.receipts,
        callback_mode: account.callback_mode,
        on_violation: account.on_violation,
    }
}

pub(super) fn slots(config: &Config) -> Arc<Slots> {
    let total = config.delivery.concurrency as usize;
    let slots = Slots::new(total, []);
    for account in &config.accounts {
        enlist(&slots, account);
    }
    slots
}

pub(super) fn names(config: &Config) -> impl Iterator<Item = AccountName> {
    let names = config.accounts.iter().map(|account| &account.name);
    names.map(|name| AccountName::from(name.as_str()))
}

pub(super) fn quota_habits(config: &Config) -> impl Iterator<Item = (AccountName, quota::Habit)> {
    let habit = |account| quota_habit(account, config);
    names(config).zip(config.accounts.iter().map(habit))
}

pub(super) fn quota_habit(account: &Account, config: &Config) -> quota::Habit {
    quota::Habit {
        poll: config.quota.poll_interval,
        leaves_percent: [
            0,
            account.normal_leaves_percent,
            account.bulk_leaves_percent,
        ],
    }
}

/// What becomes of each account's messages.
pub(super) fn policies(config: &Config) -> HashMap<AccountName, Policy> {
    let policy = |account| policy(account, config);
    names(config)
        .zip(config.accounts.iter().map(policy))
        .collect()
}

/// Gives an account its lane, or its lane what is configured by now.
pub(super) fn enlist(slots: &Arc<Slots>, account: &Account) {
    let name = AccountName::from(account.name.as_str());
    slots.enlist(
        &name,
        account.max_concurrency as usize,
        account.quiet_hours.clone(),
    );
    slots.limit_rate(&name, account.rate.map(PerSecond));
    recipients::limit(slots, account);
}

pub(super) fn habits(config: &Config) -> impl Iterator<Item = (AccountName, Habit)> {
    config.accounts.iter().map(|account| habit(account, config))
}

pub(super) fn habit(account: &Account, config: &Config) -> (AccountName, Habit) {
    let mode = match account.token_mode {
        ConfiguredMode::Stable => TokenMode::Stable,
        ConfiguredMode::Plain => TokenMode::Plain,
    };
    let habit = Habit {
        mode,
        probe: config.upstream.probe_interval,
    };
    (AccountName::from(account.name.as_str()), habit)
}

pub(super) fn retries(config: &Config) -> u16 {
    u16::try_from(config.delivery.max_retries).unwrap_or(u16::MAX)
}

pub(super) fn policy(account: &Account, config: &Config) -> Policy {
    Policy {
        max_retries: retries(config),
        receipt_timeout: (account.receipts != ReceiptHabit::None)
            .then_some(account.receipt_timeout),
        receipt_retries: RECEIPT_RETRIES,
    }
}
