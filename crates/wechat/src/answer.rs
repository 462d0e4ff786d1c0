//! The hints that WeChat hides in its errmsg, and its loose way with numbers.
//! Knows no HTTP. Wordings change over the years, so texts are searched and never compared whole.

use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

/// An integer that may be written as text, or be absent.
pub(crate) fn integer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(Some)
        .ok_or_else(|| D::Error::custom("not an integer"))
}

/// The request id at the end of an errmsg: three groups of eight hex digits. The first is the Unix time.
///
/// ```
/// use hongyan_wechat::answer::rid;
///
/// let errmsg = "invalid openid rid: 64e5d2d0-7ae1e3a1-0c2f5bd6";
/// assert_eq!(rid(errmsg), Some("64e5d2d0-7ae1e3a1-0c2f5bd6"));
/// assert_eq!(rid("invalid openid hints: [ req_id: abc ]"), None);
/// ```
#[must_use]
pub fn rid(errmsg: &str) -> Option<&str> {
    let (_, after) = errmsg.rsplit_once("rid:")?;
    let id = after.split_whitespace().next()?;
    let group =
        |group: &str| group.len() == 8 && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    (id.split('-').count() == 3 && id.split('-').all(group)).then_some(id)
}

/// The IP address that WeChat names when it refuses one (40164, 61004): the one to put on the whitelist.
///
/// ```
/// use hongyan_wechat::answer::offending_ip;
///
/// let errmsg = "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist rid: 64e5d2d0-7ae1e3a1-0c2f5bd6";
/// assert_eq!(offending_ip(errmsg), Some([47, 94, 148, 108].into()));
/// ```
#[must_use]
pub fn offending_ip(errmsg: &str) -> Option<IpAddr> {
    let of_address = |letter: char| letter.is_ascii_hexdigit() || matches!(letter, '.' | ':');
    errmsg
        .split(|letter| !of_address(letter))
        .find_map(|word| word.parse().ok())
}

/// The key of the template's data that 47003 complains about.
///
/// ```
/// use hongyan_wechat::answer::data_key;
///
/// let errmsg = "argument invalid! hint: [IWJsFA00994126] data.thing1.value is emtpy";
/// assert_eq!(data_key(errmsg), Some("thing1"));
/// ```
#[must_use]
pub fn data_key(errmsg: &str) -> Option<&str> {
    let (_, after) = errmsg.split_once("data.")?;
    let (key, _) = after.split_once(".value")?;
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    (!key.is_empty() && key.chars().all(word)).then_some(key)
}
