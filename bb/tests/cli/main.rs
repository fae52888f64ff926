//! Every verb, as a user runs it.
#![allow(clippy::unwrap_used, reason = "tests")]

// The buses that a setting chooses between.
use bloodbank as _;

mod agents;
#[cfg(feature = "archive")]
mod archive;
mod documents;
mod http_receiver;
mod journal;
mod outgoing;
mod own_broker;
mod parked_keys;
mod partitions;
#[cfg(unix)]
mod programs;
#[cfg(unix)]
mod progress;
mod rabbitmq;
mod replay;
mod serve;
mod sql;
#[path = "../support/mod.rs"]
mod support;
mod transcripts;
#[cfg(unix)]
mod ui;
mod watch;
#[cfg(unix)]
mod wrap;
