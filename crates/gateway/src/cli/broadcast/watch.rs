//! Watches a broadcast until nothing of it waits any more.

use std::time::Duration;

use serde_json::Value;

use super::Task;
use super::bar::Phase;
use crate::cli::broadcasts::settled;

const LOOK: Duration = Duration::from_millis(500);

impl Task<'_> {
    /// Answers the broadcast as it stands in the end, or when somebody paused it.
    pub(super) async fn watch(&self, id: &str) -> anyhow::Result<Value> {
        let bar = &self.bar;
        self.begin(Phase::Sending);
        loop {
            let broadcast = self.get(id).await?;
            bar.set_length(broadcast["upload"]["rows"].as_u64().unwrap_or(0));
            bar.set_position(settled(&broadcast));
            bar.set_message(message(&broadcast));
            let waiting = broadcast["progress"]["waiting"].as_u64().unwrap_or(0);
            match broadcast["status"].as_str() {
                Some("done" | "paused") => {}
                Some("cancelled") if waiting == 0 => {}
                _ => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
            }
            return Ok(broadcast);
        }
    }
}

fn message(broadcast: &Value) -> String {
    let mut parts = vec![broadcast["status"].as_str().unwrap_or_default().to_owned()];
    if let Some(pace) = broadcast["per_second"].as_f64() {
        parts.push(format!("{pace:.0}/s"));
    }
    if let Some(until) = broadcast["held_until"].as_str() {
        parts.push(format!("held until {until}"));
    }
    if let Some(end) = broadcast["forecast_end_at"].as_str() {
        parts.push(format!("until {end}"));
    }
    let failed = broadcast["progress"]["failed"].as_u64().unwrap_or(0);
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bar_says_what_holds_it_back() {
        let mut broadcast = json!({"status": "running", "per_second": 12.4, "held_until": null,
            "forecast_end_at": "2026-11-26T08:00:00Z", "progress": {"failed": 2}});
        assert_eq!(
            message(&broadcast),
            "running, 12/s, until 2026-11-26T08:00:00Z, 2 failed"
        );
        broadcast["held_until"] = json!("2026-11-27T00:00:00Z");
        broadcast["forecast_end_at"] = json!(null);
        assert_eq!(
            message(&broadcast),
            "running, 12/s, held until 2026-11-27T00:00:00Z, 2 failed"
        );
    }
}
