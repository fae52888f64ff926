//! The asynchronous runtime of a verb, and its logging.

use std::{future::Future, io};

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

use crate::error::Result;

/// The AMQP library logs what it carries.
const LOGGED: &str = "warn,lapin=off";

/// Runs what talks to the bus. Verbs that do not are done before a runtime would have started.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging(LOGGED, work)
}

/// Runs what talks to the bus while the terminal belongs to somebody else: nothing is logged, unless `RUST_LOG` wants it.
#[cfg(unix)]
pub(crate) fn block_on_quietly<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    block_on_logging("off", work)
}

fn block_on_logging<T>(logged: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(logged));
    let has_colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    // A program that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colours).with_writer(io::stderr).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // A thread may still wait for a key to be pressed.
    runtime.shutdown_background();
    done
}
