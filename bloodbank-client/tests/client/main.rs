//! A client of the bus, with the events of this program.
#![allow(clippy::unwrap_used, reason = "tests")]

mod events;
mod flow;
mod payloads;
mod shop;
