//! Telemetry: log lines, and the spans that say which event they are about.

#[cfg(feature = "logging")]
mod logging;
mod spans;

#[cfg(feature = "logging")]
pub use logging::{init_logging, init_logging_with};
pub(crate) use spans::{Handled, process, publish, settle};
