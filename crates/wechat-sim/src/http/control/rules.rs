//! The rules of the world, read and changed from outside.
//! It knows which rules there are and not what they do.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Outcome, Shared, given, parsed};

/// What is absent stays as it is. The random seed is not here: it only counts at the start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    strict: Option<bool>,
    lean: Option<bool>,
    repeat_window_s: Option<u32>,
    repeat_errcode: Option<i64>,
    content_rule: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    per_openid_minute: Option<Option<u32>>,
    blocked_words: Option<Vec<String>>,
    test_concurrency: Option<u32>,
    legacy_hints: Option<bool>,
}

pub(super) fn in_force(shared: &Shared) -> Value {
    json!(shared.world().rules())
}

pub(super) fn change(shared: &Shared, body: &[u8]) -> Outcome {
    let change: Change = parsed(body)?;
    let mut world = shared.world();
    let rules = world.rules_mut();
    set(&mut rules.strict, change.strict);
    set(&mut rules.lean, change.lean);
    set(&mut rules.repeat_window_s, change.repeat_window_s);
    set(&mut rules.repeat_errcode, change.repeat_errcode);
    set(&mut rules.content_rule, change.content_rule);
    set(&mut rules.per_openid_minute, change.per_openid_minute);
    set(&mut rules.blocked_words, change.blocked_words);
    set(&mut rules.test_concurrency, change.test_concurrency);
    set(&mut rules.legacy_hints, change.legacy_hints);
    Ok(json!(world.rules()))
}

fn set<T>(rule: &mut T, to: Option<T>) {
    if let Some(to) = to {
        *rule = to;
    }
}
