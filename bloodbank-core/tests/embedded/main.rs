//! What needs no server: the embedded bus, correlation in memory, settings, the wire format.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod conformance;
mod conformance_notices;
mod correlation_publish;
mod correlation_slow_store;
mod correlation_trace;
mod embedded_file;
mod faulty;
mod faulty_stores;
mod settings_load;
mod store_conformance;
mod store_conformance_notices;
mod wire_golden;
