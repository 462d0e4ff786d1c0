//! `/__sim/*`: the simulator driven from outside, in JSON.
//! For testers, not for clients of WeChat; faults and latency do not touch it.

mod accounts;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::business::Call;
use super::{Shared, query};
use crate::config::ReceiptPolicy;
use crate::fault::Fault;

/// Whoever asks for an outage cannot be heard until it is over.
const OUTAGE_MAX_MS: u64 = 3_600_000;

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
        ("GET", "rules") => Ok(rules::in_force(shared)),
        ("PATCH", "rules") => rules::change(shared, body),
        ("POST", "outage") => begin_outage(shared, body),
        ("POST", "accounts") => accounts::add(shared, body),
        ("PATCH", "accounts") => accounts::change(shared, body),
        ("POST", "followers") => accounts::add_follower(shared, body),
        ("POST", "events") => accounts::push(shared, body),
        ("POST", "templates") => accounts::add_template(shared, body),
        ("POST", "callback") => accounts::set_callback(shared, body),
        ("POST", "revoke") => accounts::revoke(shared, body),
        ("POST", "receipts") => set_receipts(shared, body),
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

/// A field that may be absent (left as it is) or `null` (taken away).
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
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

fn set_receipts(shared: &Shared, body: &[u8]) -> Outcome {
    let policy: ReceiptPolicy = parsed(body)?;
    shared.receipts.set_policy(policy);
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outage {
    ms: u64,
}

fn begin_outage(shared: &Shared, body: &[u8]) -> Outcome {
    let Outage { ms } = parsed(body)?;
    if ms > OUTAGE_MAX_MS {
        return Err(format!("`ms` is at most {OUTAGE_MAX_MS}"));
    }
    shared.outage.begin(Duration::from_millis(ms));
    done()
}
