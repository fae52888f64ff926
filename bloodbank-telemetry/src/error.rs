//! Errors at the start.

use std::{error::Error, fmt};

/// The error of a setting that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryError(pub(crate) String);

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TelemetryError {}
