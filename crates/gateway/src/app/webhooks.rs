//! The webhooks' part of a gateway: who is told of what, the way to them, and the calls about them.

use std::sync::Arc;

use hongyan_courier::port::StoreError;
use hongyan_courier::webhook::{Outbox, Parts, Sender, Subscription, Target};

use super::Core;
use crate::api::webhooks::Webhooks;
use crate::config::Config;
use crate::config::webhooks::Webhook;
use crate::role::Roles;
use crate::webhook::post::{Hook, Poster};
use crate::webhook::sign::WebhookKey;

fn subscription(hook: &Webhook) -> Subscription {
    Subscription {
        name: hook.name.clone(),
        client: hook.client.clone(),
        statuses: hook.statuses.clone(),
        accounts: hook.accounts.clone(),
    }
}

/// From now on the store leaves events for these webhooks.
pub(super) async fn subscribe(outbox: &dyn Outbox, config: &Config) -> Result<(), StoreError> {
    let all = config.webhooks.iter().map(subscription);
    outbox.subscribe(all.collect()).await
}

/// What posts, where this process does and there is something to post to.
pub(super) fn sender(
    core: &Core,
    config: &Config,
    keys: Vec<Vec<WebhookKey>>,
    roles: Roles,
) -> anyhow::Result<Option<Arc<Sender>>> {
    if !roles.works() || config.webhooks.is_empty() {
        return Ok(None);
    }
    let hooks = config.webhooks.iter().zip(keys).map(|(hook, keys)| Hook {
        name: hook.name.clone(),
        url: hook.url.clone(),
        keys,
        allowed: hook.allowed.clone(),
        authorities: hook.authorities.clone(),
    });
    let targets = config.webhooks.iter().map(|hook| Target {
        name: hook.name.clone(),
        concurrency: hook.max_concurrency as usize,
    });
    let parts = Parts {
        outbox: core.store.clone(),
        post: Arc::new(Poster::new(hooks.collect(), core.clock.clone())?),
        clock: core.clock.clone(),
        observer: core.observer.clone(),
        bell: core.bell.clone(),
    };
    Ok(Some(Sender::new(parts, targets.collect())))
}

/// The calls about webhooks.
pub(super) fn calls(core: &Core, config: &Config, sender: Option<Arc<Sender>>) -> Webhooks {
    let hooks = config.webhooks.iter();
    Webhooks {
        hooks: hooks
            .map(|hook| (subscription(hook), hook.shown_url()))
            .collect(),
        outbox: core.store.clone(),
        sender,
        bell: core.bell.clone(),
        clock: core.clock.clone(),
    }
}
