//! `[retention]`: how long records are kept after nothing more can happen to them.
//! It must not know who forgets them.

use std::time::Duration;

use hongyan_courier::message::Status;
use hongyan_courier::retention::{ENDS, Keep};
use serde::Deserialize;

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Retention {
    /// Messages whose status has no time of its own, and what belongs to messages.
    #[serde(deserialize_with = "duration::deserialize")]
    pub messages: Duration,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub sent: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub delivered: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub failed: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub suppressed: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub cancelled: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub expired: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub unconfirmed: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub receipts: Option<Duration>,
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub broadcasts: Option<Duration>,
    #[serde(deserialize_with = "duration::deserialize")]
    pub orphan_receipts: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub recipients: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub template_history: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub webhook_events: Duration,
    #[serde(deserialize_with = "duration::deserialize")]
    pub failed_webhook_events: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

impl Retention {
    /// What is kept how long, as the core is told.
    pub fn keep(&self) -> Keep {
        Keep {
            messages: ENDS.map(|status| self.of(status).unwrap_or(self.messages)),
            receipts: self.receipts.unwrap_or(self.messages),
            orphan_receipts: self.orphan_receipts,
            recipients: self.recipients,
            template_history: self.template_history,
            broadcasts: self.broadcasts.unwrap_or(self.messages),
            delivered_events: self.webhook_events,
            failed_events: self.failed_webhook_events,
        }
    }

    /// The time of its own that a status has.
    const fn of(&self, status: Status) -> Option<Duration> {
        match status {
            Status::Queued | Status::Sending => None,
            Status::Sent => self.sent,
            Status::Delivered => self.delivered,
            Status::Failed => self.failed,
            Status::Suppressed => self.suppressed,
            Status::Cancelled => self.cancelled,
            Status::Expired => self.expired,
            Status::Unconfirmed => self.unconfirmed,
        }
    }

    pub fn check(&self, findings: &mut Findings) {
        // An idempotency key is promised for 24 h, and is free again once its message is gone; recipient limits look back as
        // far; and a receipt may come late. Less would forget too early.
        let of_statuses = ENDS.map(|status| (status.as_str(), self.of(status), 2 * DAY));
        let others = [
            ("messages", Some(self.messages), 2 * DAY),
            ("receipts", self.receipts, 2 * DAY),
            ("broadcasts", self.broadcasts, DAY),
            ("orphan_receipts", Some(self.orphan_receipts), HOUR),
            ("recipients", Some(self.recipients), 30 * DAY),
            ("template_history", Some(self.template_history), DAY),
            ("webhook_events", Some(self.webhook_events), DAY),
            (
                "failed_webhook_events",
                Some(self.failed_webhook_events),
                DAY,
            ),
        ];
        for (name, time, least) in of_statuses.into_iter().chain(others) {
            let Some(time) = time else { continue };
            let key = format!("retention.{name}");
            findings.require_range(&key, time, (least, LONGEST), duration::show);
        }
        let receipts = self.receipts.unwrap_or(self.messages);
        if self.orphan_receipts > receipts {
            findings.problem(
                "retention.orphan_receipts",
                "is longer than receipts are kept that found their message".to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Retention {
        let defaults: toml::Table = include_str!("default.toml").parse().unwrap();
        let mut table = defaults["retention"].as_table().unwrap().clone();
        let own: toml::Table = lines.parse().unwrap();
        table.extend(own);
        table.try_into().unwrap()
    }

    fn problems(lines: &str) -> Vec<String> {
        let mut findings = Findings::default();
        read(lines).check(&mut findings);
        let keys = findings.problems.into_iter().map(|problem| problem.key);
        keys.collect()
    }

    #[test]
    fn a_status_without_a_time_of_its_own_is_kept_as_long_as_messages() {
        let keep = read("messages = \"10d\"\nfailed = \"400d\"\nsuppressed = \"3d\"").keep();
        let days = keep.messages.map(|time| time.as_secs() / DAY.as_secs());
        let by_status: Vec<_> = ENDS
            .iter()
            .map(|status| status.as_str())
            .zip(days)
            .collect();
        assert_eq!(
            by_status,
            [
                ("sent", 10),
                ("delivered", 10),
                ("failed", 400),
                ("suppressed", 3),
                ("cancelled", 10),
                ("expired", 10),
                ("unconfirmed", 10),
            ]
        );
        assert_eq!((keep.receipts, keep.broadcasts), (10 * DAY, 10 * DAY));
    }

    #[test]
    fn no_message_is_forgotten_before_the_keys_that_name_it() {
        assert!(problems("").is_empty());
        assert!(problems("delivered = \"2d\"").is_empty());
        let all = ["messages"]
            .into_iter()
            .chain(ENDS.map(|status| status.as_str()));
        for name in all {
            let short = format!("{name} = \"47h\"\norphan_receipts = \"1h\"");
            assert_eq!(problems(&short), [format!("retention.{name}")]);
        }
        let long = "receipts = \"3d\"\norphan_receipts = \"4d\"";
        assert_eq!(problems(long), ["retention.orphan_receipts"]);
    }
}
