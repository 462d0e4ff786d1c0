//! Times as users see and write them.
//! It must not know whose they are.

use hongyan_courier::time::UnixMs;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::error::Problem;

/// Shown as RFC 3339, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub UnixMs);

impl Moment {
    /// None where it is a thousand millennia off: nothing that a caller could use.
    pub fn shown(self) -> Option<String> {
        self.timestamp().map(|at| at.to_string())
    }

    fn timestamp(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_millisecond(self.0.0).ok()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.timestamp() {
            Some(at) => out.collect_str(&at),
            None => out.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = parse_moment(&text).ok_or_else(|| D::Error::custom("it is no RFC 3339 time"))?;
        Ok(Self(at))
    }
}

/// Reads an RFC 3339 time.
pub fn parse_moment(text: &str) -> Option<UnixMs> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(UnixMs(at.as_millisecond()))
}

/// The time that a caller gave by this name.
pub fn moment_called(name: &str, text: &str) -> Result<UnixMs, Problem> {
    parse_moment(text).ok_or_else(|| {
        Problem::malformed(format!(
            "{name} must be an RFC 3339 time such as 2027-01-01T08:00:00Z"
        ))
    })
}
