//! Values of fields that the Python side may leave out.

use bloodbank_core::settings::ClaimStoreKind;
use chrono::{DateTime, Utc};
use schemars::Schema;

/// The time at which an event is read that does not say its own.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Failures are retryable unless they say otherwise.
pub(crate) fn yes() -> bool {
    true
}

pub(crate) fn redis() -> ClaimStoreKind {
    ClaimStoreKind::Redis
}

/// Takes the default out of the schema of a field, where it is another one each time.
pub(crate) fn without_default(schema: &mut Schema) {
    schema.remove("default");
}
