//! `[limits]` and `[retention]`: the bounds of one request, and how long records are kept.
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

#[derive(Debug, Clone, Deserialize)]
pub struct Retention {
    #[serde(deserialize_with = "duration::deserialize")]
    pub messages: Duration,
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

impl Retention {
    pub fn check(&self, findings: &mut Findings) {
        // Idempotency keys promise 24 h, and a receipt may come late: less would forget too early.
        let range = (
            Duration::from_secs(2 * 24 * 3600),
            Duration::from_secs(3650 * 24 * 3600),
        );
        findings.require_range("retention.messages", self.messages, range, duration::show);
    }
}
