//! Tests of services and of backends.
//!
//! [`TestBus`] is the production bus in process, with a record of what became of each event and a clock that the test moves.
//! [`conformance`] has the suites that tell whether a transport or a store of one's own is right:
//! [`conformance_suite!`] and [`store_conformance_suite!`].

pub mod conformance;
mod recorder;
mod test_bus;

pub use test_bus::{DeadLetter, TestBus};
