//! What needs RabbitMQ or Redis. The tests share one of each.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

#[cfg(feature = "amqp")]
mod amqp_consume;
#[cfg(feature = "amqp")]
mod amqp_publish;
#[cfg(feature = "amqp")]
#[path = "../amqp_support/mod.rs"]
mod amqp_support;
#[cfg(feature = "amqp")]
mod amqp_topology;
mod claim_check;
#[cfg(all(feature = "testing", feature = "amqp"))]
mod conformance;
#[cfg(feature = "redis")]
mod correlation_redis;
#[cfg(all(feature = "redis", feature = "sqlite"))]
mod correlation_stores;
#[cfg(all(feature = "testing", feature = "sqlite", feature = "redis"))]
mod dedupe_stores;
