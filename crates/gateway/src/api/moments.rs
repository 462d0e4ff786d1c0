//! Times as users see them.
//! It must not know whose they are.

use hongyan_courier::time::UnixMs;
use serde::{Serialize, Serializer};

/// Shown as RFC 3339, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub UnixMs);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_millisecond(self.0.0) {
            Ok(at) => out.collect_str(&at),
            // A thousand millennia off: nothing that a caller could use.
            Err(_) => out.serialize_none(),
        }
    }
}

/// Reads an RFC 3339 time.
pub fn parse_moment(text: &str) -> Option<UnixMs> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(UnixMs(at.as_millisecond()))
}
