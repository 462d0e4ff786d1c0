//! The part of a gateway that takes users to WeChat and back.

use std::collections::HashMap;
use std::sync::Arc;

use hongyan_courier::message::AccountName;
use tokio::sync::Semaphore;

use super::Core;
use crate::api::oauth::{ASKED_AT_ONCE, Oauth, Way};
use crate::auth::client::ClientKeys;
use crate::config::Config;
use crate::config::oauth::Oauth as Configured;

pub(super) fn calls(core: &Core, config: &Config, clients: &[ClientKeys]) -> Oauth {
    let ways = config.oauth.iter().filter_map(|way| self::way(way, config));
    let named = |keys: &&ClientKeys| config.oauth.iter().any(|way| way.client == keys.id);
    let secrets = clients.iter().filter(named);
    let upstream = Arc::clone(&core.upstream);
    Oauth {
        ways: ways.collect(),
        secrets: secrets
            .map(|keys| (keys.id.clone(), keys.secrets.clone()))
            .collect::<HashMap<_, _>>(),
        ledger: core.store.clone(),
        clock: core.clock.clone(),
        ask: Arc::new(move |account, code| {
            let upstream = Arc::clone(&upstream);
            Box::pin(async move { upstream.authorised(&account, &code).await })
        }),
        asked: Semaphore::new(ASKED_AT_ONCE),
    }
}

fn way(way: &Configured, config: &Config) -> Option<Way> {
    let account = config.accounts.iter().find(|one| one.name == way.account)?;
    Some(Way {
        account: AccountName::from(account.name.as_str()),
        appid: account.appid.clone(),
        client: way.client.clone(),
        public_url: way.public_url.clone(),
        authorize_base: way.authorize_base.clone(),
        redirects: way.redirects.clone(),
    })
}
