//! `[templates]`: how often the lists are fetched, and how messages are checked against them.
//! It must not know the rules for values.

use std::time::Duration;

use hongyan_courier::template::check::OnViolation;
use hongyan_courier::template::measure::Counting;
use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Templates {
    #[serde(deserialize_with = "duration::deserialize")]
    pub sync_interval: Duration,
    /// Where an account and a message say nothing else.
    pub on_violation: OnViolation,
    pub counting: Counting,
}

impl Templates {
    pub fn check(&self, findings: &mut Findings) {
        let range = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
        findings.require_range(
            "templates.sync_interval",
            self.sync_interval,
            range,
            duration::show,
        );
    }
}
