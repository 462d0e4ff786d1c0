//! `[limits]`: the bounds of one request, and of how many.
//! It must not know who enforces them.

use std::time::Duration;

use hongyan_courier::port::limiter;
use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Limits {
    pub body_bytes: u64,
    pub batch_messages: u64,
    #[serde(deserialize_with = "duration::deserialize")]
    pub wait: Duration,
    /// Failed authentications of one address.
    pub failures: Allowance,
    /// Requests of one address, before anything else; none for as many as come.
    #[serde(default)]
    pub ip: Option<Allowance>,
    /// Requests of one client; likewise.
    #[serde(default)]
    pub client: Option<Allowance>,
    /// Messages handed over for one account; likewise.
    #[serde(default)]
    pub account: Option<Allowance>,
}

/// So much at once, and from then on so much a second.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    pub burst: u32,
    pub per_second: f64,
}

impl Allowance {
    /// An empty allowance fills within an hour: for longer nobody is remembered.
    pub fn check(self, key: &str, findings: &mut Findings) {
        let burst = (1, 1_000_000);
        findings.require_range(&format!("{key}.burst"), self.burst, burst, |n| {
            n.to_string()
        });
        let rate = (0.001, 1_000_000.0);
        let shown = format!("{key}.per_second");
        findings.require_range(&shown, self.per_second, rate, |n| n.to_string());
        if f64::from(self.burst) / self.per_second > 3600.0 {
            let text =
                "must fill again within an hour: make the burst smaller or per_second larger";
            findings.problem(key, text);
        }
    }
}

impl From<Allowance> for limiter::Allowance {
    fn from(allowance: Allowance) -> Self {
        Self {
            burst: allowance.burst,
            per_second: allowance.per_second,
        }
    }
}

impl Limits {
    pub fn check(&self, findings: &mut Findings) {
        self.failures.check("limits.failures", findings);
        for (key, allowance) in [
            ("limits.ip", self.ip),
            ("limits.client", self.client),
            ("limits.account", self.account),
        ] {
            if let Some(allowance) = allowance {
                allowance.check(key, findings);
            }
        }
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
