//! Durations as people write them: "24h", "250ms", "30d".
//! It must not know which key a duration belongs to.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, de::Error};

/// Days are always 24 hours here: a configuration has no time zone.
pub fn parse(text: &str) -> Result<Duration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| {
            format!("{text:?} is not a duration; write it as \"30s\", \"250ms\", \"24h\" or \"7d\"")
        })
}

pub fn show(duration: Duration) -> String {
    match SignedDuration::try_from(duration) {
        Ok(signed) => format!("{signed:#}"),
        Err(_) => format!("{}s", duration.as_secs()),
    }
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => parse(&text).map_err(D::Error::custom),
        other => Err(D::Error::custom(format!(
            "{other} is not a duration; give it a unit in quotes, such as \"{other}s\""
        ))),
    }
}

pub fn deserialize_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, millis) in [
            ("24h", 86_400_000),
            ("30s", 30_000),
            ("250ms", 250),
            ("7d", 604_800_000),
            ("1h 30m", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "soon", "-5s", "1 month", "1y"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(show(Duration::from_secs(86_400)), "24h");
        assert_eq!(show(Duration::from_millis(250)), "250ms");
    }
}
