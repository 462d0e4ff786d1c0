//! `/__sim/*`: the simulator driven from outside, in JSON.
//! For testers, not for clients of WeChat; faults and latency do not touch it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::business::Call;
use super::{Shared, query};
use crate::config::{AccountConfig, CallbackTarget, ReceiptPolicy, TemplateConfig};
use crate::fault::Fault;
use crate::world::{AccountKind, FollowerState, World};

type Outcome = Result<Value, String>;

pub(crate) fn respond(shared: &Shared, method: &Method, name: &str, call: &Call<'_>) -> Answer {
    let body = &*call.body;
    let outcome = match (method.as_str(), name) {
        ("GET", "summary") => Ok(summary(shared)),
        ("GET", "seen") => Ok(seen(shared, call.query)),
        ("GET", "shown") => return answer::text(shown(shared, call.query)),
        ("POST", "faults") => add_faults(shared, body),
        ("DELETE", "faults") => {
            shared.clear_faults();
            done()
        }
        ("POST", "latency") => set_latency(shared, body),
        ("GET", "clock") => Ok(time(shared)),
        ("POST", "clock") => set_clock(shared, body),
        ("POST", "accounts") => add_account(shared, body),
        ("PATCH", "accounts") => change_account(shared, body),
        ("POST", "followers") => add_follower(shared, body),
        ("POST", "templates") => add_template(shared, body),
        ("POST", "callback") => set_callback(shared, body),
        ("POST", "receipts") => set_receipts(shared, body),
        ("POST", "revoke") => revoke(shared, body),
        _ => return failure(StatusCode::NOT_FOUND, "no such control route"),
    };
    match outcome {
        Ok(value) => answer::json(value.to_string()),
        Err(problem) => failure(StatusCode::BAD_REQUEST, &problem),
    }
}

fn failure(status: StatusCode, problem: &str) -> Answer {
    answer::json_with(status, json!({ "error": problem }).to_string())
}

fn done() -> Outcome {
    Ok(json!({"ok": true}))
}

fn found(whether: bool) -> Outcome {
    if whether {
        done()
    } else {
        Err("there is no account with this appid".to_owned())
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn summary(shared: &Shared) -> Value {
    let now_ms = shared.clock.now_ms();
    let receipts = shared.receipts.tally();
    let world = shared.world();
    let (mut ids, mut shown, mut most, mut doubled) = (0_u64, 0_u64, 0, 0_u64);
    for (_, times) in world.shown() {
        ids += 1;
        shown += u64::from(times);
        most = most.max(times);
        doubled += u64::from(times > 1);
    }
    let calls = world.calls();
    let accounts: BTreeMap<_, _> = world
        .appids()
        .map(|appid| (appid, world.calls_of(appid)))
        .collect();
    json!({
        "now_ms": now_ms, "sends": calls.sends, "accepted": calls.accepted,
        "repeated": calls.repeated, "client_msg_ids": ids, "client_msg_ids_shown": shown,
        "max_shown": most, "doubled": doubled, "fetches": calls.fetches(),
        "calls": calls, "accounts": accounts, "receipts": receipts,
    })
}

fn seen(shared: &Shared, query: Option<&str>) -> Value {
    let openid = query::value(query, "openid");
    let world = shared.world();
    if openid.is_empty() {
        return json!({ "counts": world.seen_counts() });
    }
    json!({"openid": openid, "count": world.seen_count(&openid), "seen": world.seen(&openid)})
}

/// `client_msg_id count` lines: of all that were shown, or of those asked for (0 when never shown).
fn shown(shared: &Shared, query: Option<&str>) -> String {
    let ids = query::value(query, "ids");
    let world = shared.world();
    if ids.is_empty() {
        return lines(world.shown());
    }
    lines(ids.split(',').map(|id| (id, world.accepted(id))))
}

fn lines<'a>(counts: impl Iterator<Item = (&'a str, u32)>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (id, times) in counts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{id} {times}");
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faults {
    faults: Vec<String>,
}

fn add_faults(shared: &Shared, body: &[u8]) -> Outcome {
    let Faults { faults } = parsed(body)?;
    let faults: Result<Vec<Fault>, _> = faults.iter().map(|text| text.parse()).collect();
    for fault in faults.map_err(|error| error.to_string())? {
        shared.add_fault(fault);
    }
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u64,
}

fn set_latency(shared: &Shared, body: &[u8]) -> Outcome {
    let Latency { ms } = parsed(body)?;
    shared.set_latency(Duration::from_millis(ms));
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    advance_ms: Option<u64>,
    set_ms: Option<i64>,
}

fn set_clock(shared: &Shared, body: &[u8]) -> Outcome {
    match parsed(body)? {
        ClockChange {
            advance_ms: Some(by),
            set_ms: None,
        } => shared.clock.advance(Duration::from_millis(by)),
        ClockChange {
            advance_ms: None,
            set_ms: Some(to),
        } => shared.clock.set_ms(to),
        _ => return Err("give either `advance_ms` or `set_ms`".to_owned()),
    }
    shared.receipts.look_again();
    Ok(time(shared))
}

fn time(shared: &Shared) -> Value {
    json!({"now_ms": shared.clock.now_ms(), "frozen": shared.clock.is_frozen()})
}

fn add_account(shared: &Shared, body: &[u8]) -> Outcome {
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
    kind: Option<AccountKind>,
    daily_quota: Option<u64>,
}

fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

fn change_account(shared: &Shared, body: &[u8]) -> Outcome {
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
    if let Some(kind) = change.kind {
        world.set_kind(appid, kind);
    }
    if let Some(daily_quota) = change.daily_quota {
        world.set_daily_quota(appid, daily_quota);
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

fn add_follower(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewFollower = parsed(body)?;
    let mut world = shared.world();
    found(world.add_follower(&new.appid, &new.openid, new.state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTemplate {
    appid: String,
    template: TemplateConfig,
}

fn add_template(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewTemplate = parsed(body)?;
    found(shared.world().add_template(&new.appid, &new.template))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCallback {
    appid: String,
    target: Option<CallbackTarget>,
}

fn set_callback(shared: &Shared, body: &[u8]) -> Outcome {
    let new: NewCallback = parsed(body)?;
    found(shared.world().set_callback(&new.appid, new.target))
}

fn set_receipts(shared: &Shared, body: &[u8]) -> Outcome {
    let policy: ReceiptPolicy = parsed(body)?;
    shared.receipts.set_policy(policy);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    appid: String,
}

fn revoke(shared: &Shared, body: &[u8]) -> Outcome {
    let Revocation { appid } = parsed(body)?;
    let now_ms = shared.clock.now_ms();
    found(shared.world().revoke_tokens(now_ms, &appid))
}
