//! One value out of a query string, percent-decoded.
//! It copies only what is escaped: tokens and openids never are.

use std::borrow::Cow;

/// The value of `name`, or empty.
pub(crate) fn value<'q>(query: Option<&'q str>, name: &str) -> Cow<'q, str> {
    let pairs = query.unwrap_or("").split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    match pairs.find(|(key, _)| *key == name) {
        None => Cow::Borrowed(""),
        Some((_, raw)) if raw.contains(['%', '+']) => Cow::Owned(decoded(raw)),
        Some((_, raw)) => Cow::Borrowed(raw),
    }
}

fn decoded(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes.get(at + 1..at + 3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_decoded() {
        let query = Some("a=1&debug&b=x%20y+z%2&c=");
        let cases = [
            ("a", "1"),
            ("b", "x y z%2"),
            ("c", ""),
            ("debug", ""),
            ("d", ""),
        ];
        for (name, expected) in cases {
            assert_eq!(value(query, name), expected, "{name}");
        }
        assert_eq!(value(None, "a"), "");
    }
}
