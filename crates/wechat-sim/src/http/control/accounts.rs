//! Accounts and what belongs to one, changed from outside: people, templates, callback, tokens.
//! It knows nothing of routes; each function takes a JSON body.

use std::net::IpAddr;

use serde::Deserialize;

use super::{Outcome, Shared, done, found, given, parsed};
use crate::config::{AccountConfig, CallbackTarget, TemplateConfig};
use crate::receipts::Push;
use crate::world::{AccountKind, FollowerState, World};

pub(super) fn add(shared: &Shared, body: &[u8]) -> Outcome {
    let account: AccountConfig = parsed(body)?;
    shared.world().add_account(&account);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountChange {
    appid: String,
    secret: Option<String>,
    secret_frozen: Option<bool>,
    /// `null` switches the whitelist off; absent leaves it.
    #[serde(default, deserialize_with = "given")]
    whitelist: Option<Option<Vec<IpAddr>>>,
    punished: Option<bool>,
    admin_confirm: Option<bool>,
    /// `null` lets users be sent back anywhere; absent leaves it.
    #[serde(default, deserialize_with = "given")]
    oauth_domain: Option<Option<String>>,
    kind: Option<AccountKind>,
    daily_quota: Option<u64>,
    /// `null` takes the limit away; absent leaves it.
    #[serde(default, deserialize_with = "given")]
    sends_a_minute: Option<Option<u64>>,
}

pub(super) fn change(shared: &Shared, body: &[u8]) -> Outcome {
    let change: AccountChange = parsed(body)?;
    let mut world = shared.world();
    let known = world.calls_of(&change.appid).is_some();
    apply(&mut world, &change);
    found(known)
}

fn apply(world: &mut World, change: &AccountChange) {
    let appid = change.appid.as_str();
    if let Some(secret) = &change.secret {
        world.set_secret(appid, secret);
    }
    if let Some(frozen) = change.secret_frozen {
        world.set_secret_frozen(appid, frozen);
    }
    if let Some(whitelist) = &change.whitelist {
        world.set_whitelist(appid, whitelist.clone());
    }
    if let Some(punished) = change.punished {
        world.set_punished(appid, punished);
    }
    if let Some(needed) = change.admin_confirm {
        world.set_admin_confirm(appid, needed);
    }
    if let Some(domain) = &change.oauth_domain {
        world.set_oauth_domain(appid, domain.as_deref());
    }
    if let Some(kind) = change.kind {
        world.set_kind(appid, kind);
    }
    if let Some(daily_quota) = change.daily_quota {
        world.set_daily_quota(appid, daily_quota);
    }
    if let Some(limit) = change.sends_a_minute {
        world.set_sends_a_minute(appid, limit);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFollower {
    appid: String,
    openid: String,
    #[serde(default)]
    state: FollowerState,
}

pub(super) fn add_follower(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewFollower = parsed(body)?;
    let mut world = shared.world();
    found(world.add_follower(&new.appid, &new.openid, new.state))
}

#[derive(Deserialize)]
struct UserPush {
    appid: String,
    openid: String,
    #[serde(flatten)]
    push: Push,
}

/// `{"appid": …, "openid": …, "event": "popup", "template_id": …, "accept": true}` and the like.
pub(super) fn push(shared: &Shared, body: &[u8]) -> Outcome {
    let UserPush {
        appid,
        openid,
        push,
    } = parsed(body)?;
    found(shared.push(&appid, &openid, push))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTemplate {
    appid: String,
    template: TemplateConfig,
}

pub(super) fn add_template(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewTemplate = parsed(body)?;
    found(shared.world().add_template(&new.appid, &new.template))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCallback {
    appid: String,
    target: Option<CallbackTarget>,
}

pub(super) fn set_callback(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewCallback = parsed(body)?;
    found(shared.world().set_callback(&new.appid, new.target))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    appid: String,
}

pub(super) fn revoke(shared: &Shared, body: &[u8]) -> Outcome {
    let Revocation { appid } = parsed(body)?;
    let now_ms = shared.clock.now_ms();
    found(shared.world().revoke_tokens(now_ms, &appid))
}
