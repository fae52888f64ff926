//! Every verb, as a user runs it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod agents;
mod documents;
#[cfg(unix)]
mod progress;
mod rabbitmq;
mod serve;
#[path = "../support/mod.rs"]
mod support;
mod transcripts;
mod watch;
#[cfg(unix)]
mod wrap;
