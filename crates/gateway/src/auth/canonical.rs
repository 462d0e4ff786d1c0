//! The text that is signed: one way to write a request, whoever wrote it.
//! It must not know keys; it feeds the text piece by piece to whatever wants it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub const VERSION: &str = "HONGYAN-HMAC-SHA256-V1";

/// RFC 3986: letters, digits and these four stay as they are.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query is not UTF-8")]
pub struct QueryNotUtf8;

/// What a signature covers. `query` is canonical already, `body_sha256` is lower-case hex.
#[derive(Debug, Clone, Copy)]
pub struct Canonical<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub timestamp: &'a str,
    pub nonce: &'a str,
    pub body_sha256: &'a str,
}

impl<'a> Canonical<'a> {
    /// The lines in order; each is ended by `\n`.
    pub fn lines(&self) -> [&'a str; 7] {
        [
            VERSION,
            self.method,
            self.path,
            self.query,
            self.timestamp,
            self.nonce,
            self.body_sha256,
        ]
    }
}

/// Decodes the query as a form, encodes it anew and sorts it. Text that is not UTF-8 once decoded is refused, since two
/// programs would disagree on how to write it again.
pub fn query(raw: &str) -> Result<String, QueryNotUtf8> {
    let mut pairs = Vec::new();
    for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((recode(name)?, recode(value)?));
    }
    pairs.sort_unstable();
    let mut canonical = String::with_capacity(raw.len() + pairs.len());
    for (name, value) in &pairs {
        if !canonical.is_empty() {
            canonical.push('&');
        }
        canonical.push_str(name);
        canonical.push('=');
        canonical.push_str(value);
    }
    Ok(canonical)
}

fn recode(raw: &str) -> Result<String, QueryNotUtf8> {
    let spaced: Cow<'_, str> = if raw.contains('+') {
        raw.replace('+', " ").into()
    } else {
        raw.into()
    };
    let text = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| QueryNotUtf8)?;
    Ok(utf8_percent_encode(&text, ESCAPED).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queries_have_one_spelling() {
        for (raw, canonical) in [
            ("", ""),
            ("&&", ""),
            ("a=1", "a=1"),
            ("a", "a="),
            ("=", "="),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=1&a=2"),
            ("a=1&&b=2&", "a=1&b=2"),
            ("a=x=y", "a=x%3Dy"),
            ("q=a+b&r=a%20b&s=a%2Bb", "q=a%20b&r=a%20b&s=a%2Bb"),
            ("q=%7e%2D%5f%2E", "q=~-_."),
            ("q=*()'!", "q=%2A%28%29%27%21"),
            ("q=%e4%bd%a0", "q=%E4%BD%A0"),
            ("q=你", "q=%E4%BD%A0"),
            ("q=100%", "q=100%25"),
            ("q=%zz", "q=%25zz"),
            // Sorted as encoded: `%` comes before letters.
            ("é=1&a=1&Z=1", "%C3%A9=1&Z=1&a=1"),
            // By name and then value, not as joined text, where `=` would come after `-`.
            ("a=1&a-b=1", "a=1&a-b=1"),
        ] {
            assert_eq!(query(raw).as_deref(), Ok(canonical), "{raw}");
        }
        for raw in ["q=%ff", "%c3%28=1", "a=1&b=%e4%bd"] {
            assert_eq!(query(raw), Err(QueryNotUtf8), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut pairs in prop::collection::vec(("[a-z%+ é]{0,4}", "\\PC{0,6}"), 0..8)) {
            let join = |pairs: &[(String, String)]| {
                let encode = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
                pairs.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect::<Vec<_>>().join("&")
            };
            let forward = query(&join(&pairs)).unwrap();
            pairs.reverse();
            prop_assert_eq!(&forward, &query(&join(&pairs)).unwrap());
            // What is canonical stays as it is.
            prop_assert_eq!(&query(&forward).unwrap(), &forward);
        }

        #[test]
        fn any_text_is_answered(raw in "\\PC{0,64}") {
            let _ = query(&raw);
        }
    }
}
