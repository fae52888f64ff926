//! From a verb to the bus.

use std::{future::Future, io};

use anstream::{AutoStream, ColorChoice};
use bloodbank_core::{Bus, Settings};
use tracing_subscriber::EnvFilter;

use crate::{
    door::{Client, Via},
    fault::Fault,
    output,
};

/// Runs what talks to the bus. Verbs that do not are done before a runtime would have started.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    block_on_logging(LOGGED, work)
}

/// The same while the terminal belongs to somebody else: nothing is logged, unless `RUST_LOG` wants it.
#[cfg(unix)]
pub(crate) fn block_on_quietly<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    block_on_logging("off", work)
}

fn block_on_logging<T>(logged: &str, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(logged));
    let has_colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    // A program that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colours).with_writer(io::stderr).try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // Somebody may still wait for a key to be pressed.
    runtime.shutdown_background();
    done
}

/// The AMQP library logs what it carries.
const LOGGED: &str = "warn,lapin=off";

/// The bus of the settings, for what must have it to itself: no gateway can do it in its place.
pub(crate) async fn connect() -> Result<Bus, Fault> {
    let settings = Settings::load()?;
    if let Some(gateway) = Client::find(&settings, Via::Auto).await? {
        return Err(Fault::failed(format!(
            "the gateway at {} has this bus, with the subscribers and commands of its program at work; stop it first",
            gateway.url()
        )));
    }
    if is_in_memory(&settings) {
        output::note(
            "this bus is in memory and ends with this command; set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
        );
    }
    Ok(Bus::connect(settings).await?)
}

/// The bus of the settings, which must outlive this process: what was put into a bus in memory cannot be there.
pub(crate) async fn connect_lasting() -> Result<Bus, Fault> {
    let settings = Settings::load()?;
    if is_in_memory(&settings) {
        return Err(Fault::usage(
            "a bus in memory holds nothing when a command begins; start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to the file of a bus",
        ));
    }
    Ok(Bus::connect(settings).await?)
}

/// Whether nothing outlives the process.
pub(crate) fn is_in_memory(settings: &Settings) -> bool {
    settings.rabbit_url.is_none() && settings.embedded_path.is_none()
}
