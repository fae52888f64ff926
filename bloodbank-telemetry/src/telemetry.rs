//! The start and the end of telemetry.

use std::{
    env,
    io::{self, IsTerminal},
    sync::mpsc,
    thread,
    time::Duration,
};

use bloodbank_core::telemetry::{init_logging_with, init_logging_with_layer, set_tracer};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, warn};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, filter::FilterFn, registry::LookupSpan};

use crate::{TelemetryError, export, named::NamedTracer, settings, tracer::OtelTracer};

/// The time that the end of a program waits for a collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// The telemetry of this program. What has not been exported yet is exported when this is dropped, or by [`Telemetry::shutdown`], within
/// five seconds: a collector that does not answer holds nobody up for longer.
#[must_use = "spans that have not been exported are exported when this is dropped"]
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Switches logging on like `bloodbank::init_logging`, and exports spans where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
///
/// # Errors
/// When a variable of OpenTelemetry cannot be followed, or the program has set up `tracing` in its own way: then take [`layer`].
pub fn init() -> Result<Telemetry, TelemetryError> {
    let has_colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    init_with("info", has_colours)
}

/// Like [`init`], with another level of log lines where `RUST_LOG` says nothing, and with colours or without.
///
/// # Errors
/// Those of [`init`].
pub fn init_with(level: &str, has_colours: bool) -> Result<Telemetry, TelemetryError> {
    let Some((layer, telemetry)) = layer()? else {
        init_logging_with(level, has_colours);
        return Ok(Telemetry { provider: None });
    };
    if !init_logging_with_layer(level, has_colours, layer) {
        return Err(TelemetryError(
            "the program has set up `tracing` before; add `bloodbank_telemetry::layer()` to its subscriber, in place of `init`"
                .to_owned(),
        ));
    }
    Ok(telemetry)
}

/// The layer that exports spans, for a program that sets up `tracing` in its own way; `None` where nothing is exported.
///
/// It takes spans from the level `info` on, and those of Bloodbank from `debug` on; events within them from `info` on.
///
/// # Errors
/// When a variable of OpenTelemetry cannot be followed.
pub fn layer<S>() -> Result<Option<(impl Layer<S> + Send + Sync + 'static, Telemetry)>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    if !settings::is_on()? {
        return Ok(None);
    }
    let provider = export::provider()?;
    let tracer = NamedTracer(provider.tracer("bloodbank"));
    let layer = OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(FilterFn::new(is_exported).with_max_level_hint(LevelFilter::DEBUG));
    set_tracer(OtelTracer::new());
    Ok(Some((layer, Telemetry { provider: Some(provider) })))
}

fn is_exported(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata.is_span() && metadata.target().starts_with("bloodbank");
    *metadata.level() <= if is_ours { Level::DEBUG } else { Level::INFO }
}

impl Telemetry {
    /// Whether spans are exported.
    #[must_use]
    pub fn is_exporting(&self) -> bool {
        self.provider.is_some()
    }

    /// Exports what has ended, and stops, within five seconds.
    pub async fn shutdown(mut self) {
        if let Some(provider) = self.provider.take() {
            // The thread of a handler must not wait.
            let _ = tokio::task::spawn_blocking(move || stop(provider)).await;
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            stop(provider);
        }
    }
}

/// Stops a provider; a thread that still waits for the collector is left behind.
fn stop(provider: SdkTracerProvider) {
    let (done, stopped) = mpsc::channel();
    thread::spawn(move || {
        let _ = done.send(provider.shutdown_with_timeout(PATIENCE));
    });
    match stopped.recv_timeout(PATIENCE + Duration::from_millis(500)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "the last spans were not exported"),
        Err(_) => warn!("the last spans were not exported: the collector does not answer"),
    }
}
