//! A part of a text that holds several secrets: a JSON object, or lines of `name = value`.
//! It must not repeat any of it.

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::{Fault, text};

/// Splits `place#field`.
pub fn split(place: &str) -> (&str, Option<&str>) {
    match place.split_once('#') {
        Some((place, field)) => (place, Some(field)),
        None => (place, None),
    }
}

/// The field of a text, or the whole text where none is named.
pub fn pick(body: &[u8], field: Option<&str>) -> Result<SecretString, Fault> {
    let Some(field) = field else {
        return text(body);
    };
    let missing = || Fault::Wrong(format!("has no {field:?}"));
    let whole = std::str::from_utf8(body).map_err(|_| Fault::NotText)?;
    if whole.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(whole)
            .map_err(|_| Fault::Wrong("holds no JSON object after all".to_owned()))?;
        let value = object.get(field).and_then(|value| value.as_str());
        let value = Zeroizing::new(value.ok_or_else(missing)?.to_owned());
        return text(value.as_bytes());
    }
    let mut lines = whole.lines().filter_map(|line| line.split_once('='));
    let (_, value) = lines
        .find(|(name, _)| name.trim() == field)
        .ok_or_else(missing)?;
    text(value.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_field_is_found_in_json_and_in_lines() {
        let json = br#"{"secret": "s1", "number": 7}"#;
        let lines = b"# both\nsecret = s2\ntoken=a=b\n";
        for (body, field, value) in [
            (&json[..], Some("secret"), Some("s1")),
            (json, Some("number"), None),
            (json, Some("other"), None),
            (lines, Some("secret"), Some("s2")),
            (lines, Some("token"), Some("a=b")),
            (lines, Some("other"), None),
            (b"whole\n", None, Some("whole")),
        ] {
            let found = pick(body, field).ok();
            assert_eq!(
                found.as_ref().map(ExposeSecret::expose_secret),
                value,
                "{field:?}"
            );
        }
    }
}
