//! `[limits]`: the bounds of one request.
//! It must not know who enforces them.

use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Limits {
    pub body_bytes: u64,
    pub batch_messages: u64,
    #[serde(deserialize_with = "duration::deserialize")]
    pub wait: Duration,
}

impl Limits {
    pub fn check(&self, findings: &mut Findings) {
        let number = |value: u64| value.to_string();
        findings.require_range(
            "limits.body_bytes",
            self.body_bytes,
            (1024, 64 << 20),
            number,
        );
        findings.require_range(
            "limits.batch_messages",
            self.batch_messages,
            (1, 1000),
            number,
        );
        findings.require_range(
            "limits.wait",
            self.wait,
            (Duration::ZERO, Duration::from_secs(30)),
            duration::show,
        );
    }
}
