//! The metrics as Prometheus reads them.
//! It must not know what is measured, only the shape of its histograms.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// From a cached read to WeChat's slowest answer.
const SECONDS_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How often `upkeep` should be called, so that samples do not pile up between scrapes.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A handle to the process's metrics; two gateways in one process share them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// The `metrics` crate has one recorder for the process, so this is the one piece of global state: installed by
    /// the first caller, shared with all later ones.
    pub fn install() -> Result<Self, MetricsError> {
        static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        match HANDLE.get_or_init(|| build().map_err(|error| error.to_string())) {
            Ok(handle) => Ok(Self(handle.clone())),
            Err(error) => Err(MetricsError(error.clone())),
        }
    }

    /// The text format, version 0.0.4.
    pub fn render(&self) -> String {
        self.0.render()
    }

    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the metrics recorder cannot be installed: {0}")]
pub struct MetricsError(String);

fn build() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_gateways_in_one_process_share_the_recorder() {
        let (first, second) = (Metrics::install().unwrap(), Metrics::install().unwrap());
        metrics::histogram!("hongyan_test_duration_seconds").record(0.003);
        for metrics in [first, second] {
            let text = metrics.render();
            assert!(
                text.contains("hongyan_test_duration_seconds_bucket{le=\"0.005\"} 1"),
                "{text}"
            );
        }
    }
}
