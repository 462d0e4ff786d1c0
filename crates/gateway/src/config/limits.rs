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
    #[serde(deserialize_with = "duration::deserialize")]
    pub webhook_events: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub failed_webhook_events: Duration,
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
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        for (key, value, least) in [
            // Idempotency keys promise 24 h, and a receipt may come late: less would forget too early.
            ("retention.messages", self.messages, 2),
            ("retention.webhook_events", self.webhook_events, 1),
            (
                "retention.failed_webhook_events",
                self.failed_webhook_events,
                1,
            ),
        ] {
            findings.require_range(key, value, (days(least), days(3650)), duration::show);
        }
    }
}
