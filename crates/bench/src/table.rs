//! Measurements into one table: the median of the rounds, row by row, as Markdown and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

/// One measurement of one row.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Measured {
    /// Calls answered per second; none where nothing is accepted.
    pub(crate) accept_per_s: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    /// Messages per second, from the first submit to the last one that WeChat took.
    pub(crate) sent_per_s: f64,
    /// CPU seconds for 10,000 messages.
    pub(crate) cpu: Option<f64>,
    pub(crate) simulator_cpu: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
}

/// All rounds, by row; rows keep the order of their names' first appearance.
#[derive(Debug, Default)]
pub(crate) struct Table {
    order: Vec<String>,
    rounds: BTreeMap<String, Vec<Measured>>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Table {
    pub(crate) fn add(&mut self, row: &str, measured: Measured) {
        if !self.rounds.contains_key(row) {
            self.order.push(row.to_owned());
        }
        self.rounds
            .entry(row.to_owned())
            .or_default()
            .push(measured);
    }

    /// The medians of a row; what was lost or doubled in any round is summed.
    pub(crate) fn medians(&self, row: &str) -> Option<Measured> {
        let rounds = self.rounds.get(row)?;
        let of =
            |pick: fn(&Measured) -> Option<f64>| median(rounds.iter().filter_map(pick).collect());
        Some(Measured {
            accept_per_s: of(|m| m.accept_per_s),
            p50_ms: of(|m| m.p50_ms),
            p99_ms: of(|m| m.p99_ms),
            p999_ms: of(|m| m.p999_ms),
            sent_per_s: of(|m| Some(m.sent_per_s))?,
            cpu: of(|m| m.cpu),
            simulator_cpu: of(|m| m.simulator_cpu),
            peak_mib: of(|m| m.peak_mib),
            lost: rounds.iter().map(|m| m.lost).sum(),
            doubled: rounds.iter().map(|m| m.doubled).sum(),
        })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| row | accept calls/s | p50 ms | p99 ms | p99.9 ms | sent msg/s | CPU s / 10k | simulator CPU s / 10k | peak MiB | lost | doubled |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        let show = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".into(), |v| format!("{v:.digits$}"))
        };
        for row in &self.order {
            let Some(m) = self.medians(row) else { continue };
            let cells = [
                row.clone(),
                show(m.accept_per_s, 0),
                show(m.p50_ms, 2),
                show(m.p99_ms, 2),
                show(m.p999_ms, 2),
                show(Some(m.sent_per_s), 0),
                show(m.cpu, 3),
                show(m.simulator_cpu, 3),
                show(m.peak_mib, 1),
                m.lost.to_string(),
                m.doubled.to_string(),
            ];
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!(
            self.order.iter().map(|row| serde_json::json!({"row": row, "median": self.medians(row), "rounds": self.rounds.get(row)})).collect::<Vec<_>>()
        )
    }
}
