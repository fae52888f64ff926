//! For tests of services: [`TestBus`], the production bus in process with a record of what happened and a clock that the
//! test moves.

pub mod conformance;
mod recorder;
mod test_bus;

pub use test_bus::{DeadLetter, TestBus};
