//! What needs RabbitMQ or Redis. The tests share one of each.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod amqp_consume;
mod amqp_nodes;
mod amqp_publish;
#[path = "../amqp_support/mod.rs"]
mod amqp_support;
mod amqp_topology;
mod claim_check;
mod conformance;
mod correlation_redis;
mod correlation_stores;
mod dedupe_redis;
mod journal_stream;
mod queue_arguments;
mod store_conformance;
