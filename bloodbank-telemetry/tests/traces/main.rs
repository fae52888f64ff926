//! The spans of services that export them to a collector, which is this test: one tree from the request to the second service.
//!
//! A service is this test program again: variables of OpenTelemetry are those of a process, and so is its end.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod child;
mod collector;
mod end;
mod process;
mod tree;
