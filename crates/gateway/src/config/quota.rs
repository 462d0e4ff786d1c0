//! `[quota]`, and the quiet hours and rates of an account: how much may be sent, how fast, and when not.
//! It must not know who enforces them.

use std::time::Duration;

use hongyan_courier::message::Priority;
use hongyan_courier::quiet::{QuietHours, Stretch};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::duration;
use crate::config::problem::Findings;

#[derive(Debug, Clone, Deserialize)]
pub struct Quota {
    #[serde(deserialize_with = "duration::deserialize")]
    pub poll_interval: Duration,
    pub bulk_leaves_percent: u8,
    pub normal_leaves_percent: u8,
}

/// One stretch of quiet hours as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHoursFile {
    pub from: String,
    pub to: String,
    pub priorities: Vec<String>,
}

/// The zone that quiet hours are told by where nothing else is written.
pub const TIME_ZONE: &str = "Asia/Shanghai";
pub const RATE_RANGE: (f64, f64) = (0.01, 100_000.0);
pub const PERCENT_RANGE: (u8, u8) = (0, 100);
const STRETCHES_MAX: usize = 16;

impl Quota {
    pub fn check(&self, findings: &mut Findings) {
        let range = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
        findings.require_range(
            "quota.poll_interval",
            self.poll_interval,
            range,
            duration::show,
        );
        for (key, percent) in [
            ("quota.bulk_leaves_percent", self.bulk_leaves_percent),
            ("quota.normal_leaves_percent", self.normal_leaves_percent),
        ] {
            findings.require_range(key, percent, PERCENT_RANGE, |percent| percent.to_string());
        }
    }
}

/// An account's quiet hours; none where there are none, or where they cannot be read, which is reported.
pub fn quiet_hours(
    key: &str,
    zone: &str,
    written: &[QuietHoursFile],
    findings: &mut Findings,
) -> Option<QuietHours> {
    let zone = TimeZone::get(zone)
        .map_err(|_| {
            let text = format!("{zone:?} is not a time zone; write one such as \"{TIME_ZONE}\"");
            findings.problem(format!("{key}.time_zone"), text);
        })
        .ok()?;
    let key = format!("{key}.quiet_hours");
    if written.is_empty() {
        return None;
    }
    if written.len() > STRETCHES_MAX {
        findings.problem(key, format!("are more than {STRETCHES_MAX} stretches"));
        return None;
    }
    let read = |one| stretch(one).map_err(|text| findings.problem(key.clone(), text));
    let stretches: Result<Vec<Stretch>, ()> = written.iter().map(read).collect();
    let hours = QuietHours::new(zone, stretches.ok()?);
    hours
        .map_err(|error| findings.problem(key.clone(), error.to_string()))
        .ok()
}

fn stretch(written: &QuietHoursFile) -> Result<Stretch, String> {
    let mut priorities = [false; 3];
    for word in &written.priorities {
        let priority = Priority::from_word(word);
        let priority = priority
            .ok_or_else(|| format!("{word:?} is not a priority; use high, normal, bulk"))?;
        priorities[priority as usize] = true;
    }
    if priorities == [false; 3] {
        return Err("name no priorities; add priorities = [\"normal\", \"bulk\"]".to_owned());
    }
    Ok(Stretch {
        from: time(&written.from)?,
        to: time(&written.to)?,
        priorities,
    })
}

/// A time of day in whole minutes.
fn time(text: &str) -> Result<Time, String> {
    let time = text.parse::<Time>().ok().filter(|time| {
        text.len() == "22:00".len() && time.second() == 0 && time.subsec_nanosecond() == 0
    });
    time.ok_or_else(|| format!("{text:?} is not a time of day; write it as \"22:00\""))
}
