//! The gateway on a real listener, asked by a real client.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod dead_letters;
mod documents;
mod https;
mod mcp;
mod publishing;
mod requests;
mod security;
mod streams;
mod support;
mod webhooks;
