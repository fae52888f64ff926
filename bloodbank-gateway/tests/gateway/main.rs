//! The gateway on a real listener, asked by a real client.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod clients;
mod dead_letters;
mod documents;
mod history;
mod https;
mod idle_streams;
mod json;
mod mcp;
mod own_broker;
mod publishing;
mod replays;
mod requests;
mod security;
mod streams;
mod support;
mod webhooks;
