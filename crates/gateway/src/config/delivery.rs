//! `[delivery]`: how many calls at once, how many repeats, how long to wait for a receipt.
//! It must not know how messages are delivered.

use std::time::Duration;

use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Delivery {
    pub concurrency: u32,
    pub max_retries: u32,
    #[serde(deserialize_with = "duration::deserialize")]
    pub receipt_timeout: Duration,
}

pub const CONCURRENCY_RANGE: (u32, u32) = (1, 10_000);
pub const RECEIPT_TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30 * 24 * 3600));

impl Delivery {
    pub fn check(&self, findings: &mut Findings) {
        let number = |value: u32| value.to_string();
        findings.require_range(
            "delivery.concurrency",
            self.concurrency,
            CONCURRENCY_RANGE,
            number,
        );
        findings.require_range("delivery.max_retries", self.max_retries, (0, 100), number);
        let key = "delivery.receipt_timeout";
        findings.require_range(
            key,
            self.receipt_timeout,
            RECEIPT_TIMEOUT_RANGE,
            duration::show,
        );
    }
}
