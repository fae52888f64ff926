//! What a service does with a bus: in memory, in a file, on RabbitMQ with quorum and with classic queues.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

#[macro_use]
mod common;
mod commands;
mod dead_letters;
mod dedupe;
mod dedupe_ahead;
#[cfg(unix)]
mod door;
mod ending;
mod foreign;
mod healing;
mod journal;
#[cfg(feature = "testing")]
mod logging;
mod parked_keys;
mod partition_letters;
mod partition_number;
mod partitions;
#[cfg(feature = "probes")]
mod probes;
mod publishing;
mod queues;
#[cfg(feature = "testing")]
mod recorded;
mod replay;
mod returned;
mod settling;
mod subscribers;
#[cfg(feature = "testing")]
mod test_bus;
mod throughput;
