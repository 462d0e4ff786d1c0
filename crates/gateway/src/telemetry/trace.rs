//! The identity of a request: 32 hexadecimal digits, taken from the caller's W3C `traceparent` or made up.
//! It must not know spans or logs.

use std::fmt;

use http::HeaderMap;
use serde::Serialize;

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

impl TraceId {
    pub fn random() -> Self {
        // All zero is not a trace id.
        Self(rand::random::<u128>().max(1))
    }

    /// `traceparent: 00-<32 hex>-<16 hex>-<2 hex>`; anything else counts as absent.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("traceparent")?.to_str().ok()?;
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let shaped =
            is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
        // Later versions may append fields, version 00 may not, and ff is forbidden.
        let allowed = version != "ff" && (version != "00" || parts.next().is_none());
        let id = u128::from_str_radix(trace, 16).ok()?;
        (shaped && allowed && id != 0).then_some(Self(id))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(traceparent: &'static str) -> Option<String> {
        let value = HeaderValue::from_static(traceparent);
        TraceId::from_headers(&HeaderMap::from_iter([(
            http::HeaderName::from_static("traceparent"),
            value,
        )]))
        .map(|id| id.to_string())
    }

    #[test]
    fn a_traceparent_is_taken_whole_or_not_at_all() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(),
            Some(id)
        );
        assert_eq!(
            parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").as_deref(),
            Some(id)
        );
        for broken in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parse(broken), None, "{broken}");
        }
        assert_eq!(TraceId::random().to_string().len(), 32);
    }
}
