//! From a verb to the bus.

use std::{future::Future, io};

use bloodbank_core::{Bus, Settings};
use tracing_subscriber::EnvFilter;

use crate::{
    fault::{Done, Fault},
    output,
};

/// Runs what talks to the bus. Verbs that do not are done before a runtime would have started.
pub(crate) fn block_on(work: impl Future<Output = Done>) -> Done {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    // A program that has set up its own logging keeps it.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// The AMQP library logs what it carries.
const LOGGED: &str = "warn,lapin=off";

/// The bus of the settings, for one command.
pub(crate) async fn connect() -> Result<Bus, Fault> {
    let settings = Settings::load()?;
    if is_in_memory(&settings) {
        output::note(
            "this bus is in memory and ends with this command; set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
        );
    }
    Ok(Bus::connect(settings).await?)
}

/// Whether nothing outlives the process.
pub(crate) fn is_in_memory(settings: &Settings) -> bool {
    settings.rabbit_url.is_none() && settings.embedded_path.is_none()
}
