//! The asynchronous runtime of a verb, and its logging.

use std::{future::Future, io};

use anstream::{AutoStream, ColorChoice};
use bloodbank_core::telemetry::init_logging_with;

#[cfg(feature = "otlp")]
use crate::error::CliError;
use crate::error::Result;

/// Runs what talks to the bus. Verbs that do not are done before a runtime would have started.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("warn", work)
}

/// Runs a service, which says more than a verb that ends soon: where it is, and what it does.
///
/// Its spans are exported where a collector is named; what has ended is sent when it stops.
pub(crate) fn block_on_service<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    #[cfg(feature = "otlp")]
    let _telemetry = traces()?;
    block_on_logging("info", work)
}

/// Exports the spans of a service, unless the program has set up `tracing` in its own way.
#[cfg(feature = "otlp")]
fn traces() -> Result<Option<bloodbank_telemetry::Telemetry>> {
    if tracing::dispatcher::has_been_set() {
        return Ok(None);
    }
    let telemetry = bloodbank_telemetry::init_with("info", has_colours());
    telemetry.map(Some).map_err(|error| CliError::usage(error.to_string()))
}

fn has_colours() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// Runs what talks to the bus while the terminal belongs to somebody else: nothing is logged, unless `RUST_LOG` wants it.
#[cfg(any(unix, feature = "ui"))]
pub(crate) fn block_on_quietly<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("off", work)
}

fn block_on_logging<T>(logged: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    // A program that has set up its own logging keeps it.
    init_logging_with(logged, has_colours());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // A thread may still wait for a key to be pressed.
    runtime.shutdown_background();
    done
}
