//! The clients of WeChat: one for all accounts without a proxy, and one for each proxy. They are kept from one
//! configuration to the next, and their connections with them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use hongyan_courier::message::AccountName;
use hongyan_wechat::AppSecret;
use hongyan_wechat::client::{Client, Hosts, MeasureLayer, Proxy, Timeouts, TraceLayer};
use hongyan_wechat::token::Credential;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::config::accounts::Account;
use crate::config::resolved::AccountSecrets;
use crate::metrics::call_times;
use crate::wechat_upstream::Line;

/// A proxy's address, and a hash of its login.
type Through = Option<(String, [u8; 32])>;

pub(super) struct Ways {
    timeouts: Timeouts,
    max_idle: usize,
    clients: Mutex<HashMap<Through, Client>>,
}

impl Ways {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            timeouts: Timeouts {
                connect: config.upstream.connect_timeout,
                write: config.upstream.write_timeout,
                read: config.upstream.read_timeout,
                call: config.upstream.call_timeout,
            },
            max_idle: config.delivery.concurrency as usize,
            clients: Mutex::default(),
        }
    }

    /// Each account's way.
    pub(super) fn lines(
        &self,
        config: &Config,
        secrets: &[AccountSecrets],
    ) -> anyhow::Result<Vec<(AccountName, Line)>> {
        let all = config.accounts.iter().zip(secrets);
        all.map(|(account, secrets)| self.line(account, secrets))
            .collect()
    }

    fn line(
        &self,
        account: &Account,
        secrets: &AccountSecrets,
    ) -> anyhow::Result<(AccountName, Line)> {
        let hosts = Hosts::new(&account.api_base)
            .with_context(|| format!("accounts[{}].api_base", account.name))?;
        let line = Line {
            client: self.client(account, secrets)?.at(hosts),
            credential: Credential {
                appid: account.appid.clone(),
                secret: AppSecret::new(secrets.secret.expose_secret()),
            },
        };
        Ok((AccountName::from(account.name.as_str()), line))
    }

    fn client(&self, account: &Account, secrets: &AccountSecrets) -> anyhow::Result<Client> {
        let login = secrets.proxy_login.as_ref();
        let through = account.proxy.as_ref().map(|address| {
            let login = login.map_or("", |login| login.expose_secret());
            (address.clone(), Sha256::digest(login).into())
        });
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&through) {
            return Ok(known.clone());
        }
        let proxy = account.proxy.as_deref();
        let proxy = proxy.map(|address| Proxy::new(address, login)).transpose();
        let proxy = proxy.with_context(|| format!("accounts[{}].proxy", account.name))?;
        let client = Client::builder()
            .timeouts(self.timeouts)
            .max_idle(self.max_idle)
            .proxy(proxy)
            .layer(TraceLayer)
            .layer(MeasureLayer::new(call_times()))
            .build()?;
        clients.insert(through, client.clone());
        Ok(client)
    }
}
