//! `[upstream]`: how patient the gateway is with WeChat and by which call it fetches tokens.
//! It must not know how the calls are made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Upstream {
    #[serde(deserialize_with = "duration::deserialize")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub write_timeout: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub read_timeout: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub call_timeout: Duration,
    pub token_mode: TokenMode,
    #[serde(deserialize_with = "duration::deserialize")]
    pub probe_interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMode {
    Stable,
    Plain,
}

/// A repeat must reach WeChat within its 10 minute window, which leaves less than a minute for a whole call.
const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(50);

impl Upstream {
    pub fn check(&self, findings: &mut Findings) {
        let timeout_range = (Duration::from_millis(10), CALL_TIMEOUT_MAX);
        for (key, timeout) in [
            ("upstream.connect_timeout", self.connect_timeout),
            ("upstream.write_timeout", self.write_timeout),
            ("upstream.read_timeout", self.read_timeout),
            ("upstream.call_timeout", self.call_timeout),
        ] {
            findings.require_range(key, timeout, timeout_range, duration::show);
        }
        let range = (Duration::from_secs(1), Duration::from_secs(3600));
        findings.require_range(
            "upstream.probe_interval",
            self.probe_interval,
            range,
            duration::show,
        );
    }
}
