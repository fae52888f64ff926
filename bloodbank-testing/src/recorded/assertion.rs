//! A recording as a test.

use std::path::Path;

use bloodbank_core::{Bus, Result, RunningApp};
use tokio::runtime::Builder;

use super::{Recording, RecordingBus};

/// The variable that accepts what is different.
const ACCEPT: &str = "BLOODBANK_ACCEPT";

/// Checks that the subscribers of an app publish what is recorded. What `#[bloodbank::replay]` expands to.
///
/// # Panics
/// When the recording cannot be read, the app does not start, or something is different: with what, and with how to accept it.
pub fn check(path: &str, ignored: &[&str], start: impl AsyncFnOnce(Bus) -> Result<RunningApp>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime needs a few file descriptors");
    let path = Path::new(path);
    let found = runtime.block_on(async {
        let recording = Recording::read(path)?;
        let bus = RecordingBus::new();
        let app = start(bus.bus()).await?;
        let found = bus.compare(&recording, &app.health(), ignored).await;
        app.shutdown().await?;
        found
    });
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    if found.is_empty() {
        return;
    }
    if std::env::var_os(ACCEPT).is_some() {
        return found.accepted().write(path).unwrap_or_else(|error| panic!("{error}"));
    }
    panic!(
        "the subscribers publish something else than is recorded in {}:\n\n{found}\n\nif that is meant, accept it with \
         `{ACCEPT}=1 cargo test`",
        path.display()
    );
}
