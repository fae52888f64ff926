//! The asynchronous runtime of a verb, and its logging.

use std::{future::Future, io};

use anstream::{AutoStream, ColorChoice};
use bloodbank_core::telemetry::init_logging_with;

use crate::error::Result;

/// Runs what talks to the bus. Verbs that do not are done before a runtime would have started.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("warn", work)
}

/// Runs a service, which says more than a verb that ends soon: where it is, and what it does.
pub(crate) fn block_on_service<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("info", work)
}

/// Runs what talks to the bus while the terminal belongs to somebody else: nothing is logged, unless `RUST_LOG` wants it.
#[cfg(any(unix, feature = "ui"))]
pub(crate) fn block_on_quietly<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("off", work)
}

fn block_on_logging<T>(logged: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    // A program that has set up its own logging keeps it.
    init_logging_with(logged, AutoStream::choice(&io::stderr()) != ColorChoice::Never);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // A thread may still wait for a key to be pressed.
    runtime.shutdown_background();
    done
}
