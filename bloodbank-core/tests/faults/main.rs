//! What kills, freezes or cuts servers: each test has its own.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "amqp")]
#[path = "../amqp_support/mod.rs"]
mod amqp_support;
#[cfg(feature = "redis")]
mod correlation_outages;
#[cfg(feature = "redis")]
mod correlation_outages_bus;
#[cfg(feature = "amqp")]
mod health;
#[cfg(all(feature = "tls", feature = "amqp", feature = "redis"))]
mod tls;
