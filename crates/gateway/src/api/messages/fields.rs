//! The kinds of fields a message has: text, links, mini-programs, moments. Each is read from its JSON value.
//! It must not know which field means what to the gateway.

use std::borrow::Cow;

use hongyan_courier::template;
use hongyan_courier::template::violation::Violation;
use hongyan_courier::time::UnixMs;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::faults::{Faults, in_both};
use super::text::{Text, push_json_string};
use crate::api::moments::parse_moment;

const URL_BYTES_MAX: usize = 2048;
const PAGEPATH_BYTES_MAX: usize = 1024;

/// What is asked of a text.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) chars_max: usize,
}

/// None where it is absent, and where it has a fault.
pub(super) fn text<'a>(
    value: Option<&'a RawValue>,
    field: Field,
    faults: &mut Faults,
) -> Option<Cow<'a, str>> {
    let fault: Cow<'static, str> = match serde_json::from_str::<Text<'_>>(value?.get()) {
        Err(_) => "must be text".into(),
        Ok(Text(text)) if text.is_empty() => "is empty".into(),
        Ok(Text(text)) if text.chars().any(char::is_control) => {
            "must not contain control characters".into()
        }
        Ok(Text(text))
            if text.len() > field.chars_max && text.chars().count() > field.chars_max =>
        {
            format!("is longer than {} characters", field.chars_max).into()
        }
        Ok(Text(text)) => return Some(text),
    };
    faults.add(field.name, fault);
    None
}

/// An `http(s)` address; empty counts as absent.
pub(super) fn link(value: Option<&RawValue>, faults: &mut Faults) -> Option<String> {
    let Ok(Text(url)) = serde_json::from_str::<Text<'_>>(value?.get()) else {
        faults.add("url", "must be text");
        return None;
    };
    let url = url.trim();
    if url.is_empty() {
        return None;
    }
    let after = |scheme: &str| {
        let head = url.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme)
            .then(|| &url[scheme.len()..])
    };
    let rest = after("https://").or_else(|| after("http://"));
    let fault = if url.len() > URL_BYTES_MAX {
        format!("is longer than {URL_BYTES_MAX} bytes")
    } else if url.chars().any(|c| c.is_control() || c == ' ') {
        "must not contain spaces or control characters".to_owned()
    } else if !rest.is_some_and(|rest| rest.starts_with(|c: char| !matches!(c, '/' | '?' | '#'))) {
        "must be an http:// or https:// address".to_owned()
    } else {
        return Some(url.to_owned());
    };
    faults.add("url", fault);
    None
}

#[derive(Deserialize)]
struct MiniProgram {
    appid: Option<String>,
    pagepath: Option<String>,
}

/// The mini-program that a tap opens.
pub(super) struct Target {
    /// `{"appid": …, "pagepath": …}` written anew.
    pub(super) json: String,
    /// What WeChat would refuse of it.
    pub(super) violations: Vec<Violation>,
}

/// Null and empty ones count as absent, other keys are dropped.
pub(super) fn miniprogram(value: Option<&RawValue>, faults: &mut Faults) -> Option<Target> {
    let raw = value?.get();
    let target = match serde_json::from_str::<MiniProgram>(raw) {
        Ok(target) if raw.starts_with('{') => target,
        _ => {
            faults.add(
                "miniprogram",
                "must be an object with appid and pagepath, both text",
            );
            return None;
        }
    };
    let appid = target.appid.as_deref().unwrap_or_default();
    let pagepath = target.pagepath.as_deref().unwrap_or_default();
    if appid.is_empty() {
        if !pagepath.is_empty() {
            faults.add("miniprogram.appid", "is missing");
        }
        return None;
    }
    if pagepath.len() > PAGEPATH_BYTES_MAX || pagepath.chars().any(char::is_control) {
        let text =
            format!("must have at most {PAGEPATH_BYTES_MAX} bytes and no control characters");
        faults.add("miniprogram.pagepath", text);
    }
    let mut out = String::from("{\"appid\":");
    push_json_string(&mut out, appid);
    if !pagepath.is_empty() {
        out.push_str(",\"pagepath\":");
        push_json_string(&mut out, pagepath);
    }
    out.push('}');
    Some(Target {
        json: out,
        violations: template::link::check(appid, pagepath),
    })
}

/// An RFC 3339 time.
pub(super) fn moment(
    value: Option<&RawValue>,
    name: &'static str,
    faults: &mut Faults,
) -> Option<UnixMs> {
    let parsed = serde_json::from_str::<Text<'_>>(value?.get())
        .ok()
        .and_then(|Text(text)| parse_moment(&text));
    if parsed.is_none() {
        let problem = in_both(
            "must be an RFC 3339 time such as 2027-01-01T08:00:00+08:00",
            "必须是 RFC 3339 格式的时间，例如 2027-01-01T08:00:00+08:00",
        );
        faults.add_in_both(name, problem);
    }
    parsed
}
