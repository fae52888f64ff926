//! Tests of services and of backends.
//!
//! [`TestBus`] is the production bus in process, with a record of what became of each event and a clock that the test moves.
//! [`recorded`] gives recorded events to the subscribers of today, and compares what they publish with what is recorded.
//! [`conformance`] has the suites that tell whether a transport or a store of one's own is right:
//! [`conformance_suite!`] and [`store_conformance_suite!`].

pub mod conformance;
pub mod recorded;
mod recorder;
mod test_bus;

pub use test_bus::{DeadLetter, TestBus};
