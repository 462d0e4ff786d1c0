//! What the configuration says of accounts, as the values that the parts are made with.
//! It must not put anything together: `app` does.

use std::sync::Arc;

use anyhow::Context as _;
use hongyan_courier::delivery::Policy;
use hongyan_courier::dispatch::Slots;
use hongyan_courier::message::AccountName;
use hongyan_courier::port::TokenMode;
use hongyan_courier::quota;
use hongyan_courier::rate::PerSecond;
use hongyan_courier::token::Habit;
use hongyan_wechat::AppSecret;
use hongyan_wechat::client::{Client, Hosts, MeasureLayer, Timeouts, TraceLayer};
use hongyan_wechat::token::Credential;
use secrecy::ExposeSecret;

use super::{RECEIPT_RETRIES, recipients};
use crate::api::accounts::Known;
use crate::config::Config;
use crate::config::accounts::{Account, Receipts as ReceiptHabit};
use crate::config::resolved::AccountSecrets;
use crate::config::upstream::TokenMode as ConfiguredMode;
use crate::metrics::call_times;
use crate::wechat_upstream::Line;

pub(super) fn known(account: &Account) -> Known {
    Known {
        name: AccountName::from(account.name.as_str()),
        appid: account.appid.clone(),
        receipts: account.receipts,
        callback_mode: account.callback_mode,
        on_violation: account.on_violation,
    }
}

pub(super) fn slots(config: &Config) -> Arc<Slots> {
    let name = |account: &Account| AccountName::from(account.name.as_str());
    let caps = config
        .accounts
        .iter()
        .map(|account| (name(account), account.max_concurrency as usize));
    let hours = config.accounts.iter().filter_map(|account| {
        let hours = account.quiet_hours.clone()?;
        Some((name(account), hours))
    });
    let total = config.delivery.concurrency as usize;
    let slots = Slots::with_quiet_hours(total, caps, hours.collect());
    for account in &config.accounts {
        slots.limit_rate(&name(account), account.rate.map(PerSecond));
    }
    recipients::limit(&slots, config);
    slots
}

pub(super) fn names(config: &Config) -> impl Iterator<Item = AccountName> {
    let names = config.accounts.iter().map(|account| &account.name);
    names.map(|name| AccountName::from(name.as_str()))
}

pub(super) fn quota_habits(config: &Config) -> impl Iterator<Item = (AccountName, quota::Habit)> {
    let habit = |account: &Account| quota::Habit {
        poll: config.quota.poll_interval,
        leaves_percent: [
            0,
            account.normal_leaves_percent,
            account.bulk_leaves_percent,
        ],
    };
    names(config).zip(config.accounts.iter().map(habit))
}

pub(super) fn habits(config: &Config) -> impl Iterator<Item = (AccountName, Habit)> {
    config.accounts.iter().map(|account| habit(account, config))
}

fn habit(account: &Account, config: &Config) -> (AccountName, Habit) {
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

pub(super) fn lines(
    config: &Config,
    secrets: &[AccountSecrets],
) -> anyhow::Result<Vec<(AccountName, Line)>> {
    let client = Client::builder()
        .timeouts(Timeouts {
            connect: config.upstream.connect_timeout,
            write: config.upstream.write_timeout,
            read: config.upstream.read_timeout,
            call: config.upstream.call_timeout,
        })
        .max_idle(config.delivery.concurrency as usize)
        .layer(TraceLayer)
        .layer(MeasureLayer::new(call_times()))
        .build()?;
    let line = |(account, secrets): (&Account, &AccountSecrets)| {
        let hosts = Hosts::new(&account.api_base)
            .with_context(|| format!("accounts[{}].api_base", account.name))?;
        let credential = Credential {
            appid: account.appid.clone(),
            secret: AppSecret::new(secrets.secret.expose_secret()),
        };
        let line = Line {
            client: client.at(hosts),
            credential,
        };
        Ok((AccountName::from(account.name.as_str()), line))
    };
    config.accounts.iter().zip(secrets).map(line).collect()
}
