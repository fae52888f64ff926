//! What kills, freezes or cuts servers: each test has its own.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod amqp;
#[path = "../amqp_support/mod.rs"]
mod amqp_support;
mod cluster;
mod cluster_classic;
mod correlation_outages;
mod correlation_outages_bus;
mod health;
mod limits;
mod queue_type;
mod tls;
