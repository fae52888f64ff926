//! The recorder of metrics for Prometheus, and their text.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::described;

/// The buckets of all histograms, in seconds: from a confirm of the embedded bus to the longest time that a handler has by default.
const BUCKETS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The recorder of this process; `None` where the program has one of its own.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Records metrics from now on. A program that has installed a recorder already keeps it, and `/metrics` answers 404 then.
pub fn install_recorder() {
    let recorder = RECORDER.get_or_init(|| {
        let recorder =
            PrometheusBuilder::new().set_buckets(&BUCKETS).and_then(PrometheusBuilder::install_recorder).ok();
        if recorder.is_some() {
            described::describe();
        }
        recorder
    });
    // What is measured waits in memory until somebody reads the metrics, or until upkeep.
    if let (Some(recorder), Ok(runtime)) = (recorder, tokio::runtime::Handle::try_current()) {
        static KEEPING_UP: OnceLock<()> = OnceLock::new();
        KEEPING_UP.get_or_init(|| {
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    recorder.run_upkeep();
                }
            });
        });
    }
}

/// The metrics of this process as text for Prometheus; `None` where the program exports them elsewhere.
#[must_use]
pub fn render_metrics() -> Option<String> {
    RECORDER.get()?.as_ref().map(PrometheusHandle::render)
}
