//! The traces of a service, exported by OTLP: one trace from the request over the publish to every handler in every service.
//!
//! [`init`] switches logging on as `bloodbank::init_logging` does, and, where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, exports the
//! spans of the program: those of Bloodbank, and those of your own `#[tracing::instrument]`. Without that variable nothing is
//! exported, and a span costs what it costs without this crate.
//!
//! ```no_run
//! # async fn work() {}
//! #[tokio::main]
//! async fn main() -> Result<(), bloodbank_telemetry::TelemetryError> {
//!     let telemetry = bloodbank_telemetry::init()?;
//!     work().await;
//!     telemetry.shutdown().await;
//!     Ok(())
//! }
//! ```
#![forbid(unsafe_code)]

mod error;
mod export;
mod named;
mod settings;
mod telemetry;
mod tracer;

pub use error::TelemetryError;
pub use telemetry::{Telemetry, init, init_with, layer};
