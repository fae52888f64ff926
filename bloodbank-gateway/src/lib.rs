//! The HTTP gateway of Bloodbank: publishes, streams, looks up and traces every registered event, and offers them to AI
//! agents over MCP.
//!
//! ```no_run
//! use bloodbank_core::Bus;
//! use bloodbank_gateway::{Gateway, ServeOptions, serve};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder(Bus::from_env().await?).build();
//! serve(gateway, ServeOptions::on("127.0.0.1", 8682)).await?;
//! # Ok(()) }
//! ```
//!
//! A team that has an axum application of its own mounts [`router()`] in it: `app.nest("/bus", router(gateway))`.
//!
//! | item | purpose |
//! |---|---|
//! | [`Gateway`], [`GatewayBuilder`] | the state that the endpoints share: the bus, the tokens, the limits |
//! | [`router()`] | the endpoints as an `axum::Router` |
//! | [`serve()`], [`Server`], [`ServeOptions`] | the endpoints on an address, with timeouts, TLS and a graceful shutdown |
//! | [`Endpoint`], [`Access`], [`Operation`] | an endpoint that a program adds, such as the webhooks of `bloodbank-webhooks` |
//! | [`openapi_document`], [`asyncapi_document`], [`JsonFirst`] | the endpoints and events as documents, and how they are written |
#![cfg_attr(
    feature = "mcp",
    doc = "| [`McpServer`] | the events for AI agents over stdio; over HTTP they are an endpoint |"
)]
//! | [`LiveEvents`] | the events of the bus as they come, for such an endpoint |
//! | [`Tokens`] | who may publish and read what |
//! | [`Session`] | a person who has signed in to look at pages, such as those of `bloodbank-dashboard` |
//! | [`Problem`] | the answer to a refused request |
//!
//! All endpoints of events come from the [registry](bloodbank_core::Registry): a program that links other events has other
//! endpoints, schemas and documents.
//!
//! A module imports only modules above it in this list: errors, limits, bodies and tokens; live events and commands; the
//! endpoint type and the gateway; metrics, guard and parameters; publishing and documents; MCP; the table in `endpoints`;
//! builder and router; the server.
#![forbid(unsafe_code)]

// The unit tests need a bus.
#[cfg(test)]
use bloodbank_embedded as _;

mod access_log;
mod asyncapi;
mod auth;
mod body;
mod builder;
mod commands;
mod endpoint;
mod endpoints;
mod error;
mod gateway;
mod guard;
mod idempotency;
mod limits;
mod live;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod openapi;
mod operation;
mod pages;
mod params;
mod preface_timeout;
mod problem;
mod publish;
mod replay_audit;
mod replays;
mod router;
mod schemas;
mod serve;
mod settings;
mod stream;
mod summary;
#[cfg(feature = "tls")]
mod tls;

pub use asyncapi::asyncapi_document;
pub use auth::{Access, Caller, Patterns, Session, Token, Tokens};
pub use body::{Json, parse_json, read_body};
pub use builder::GatewayBuilder;
pub use commands::{WatchCommands, WatchedCommands};
pub use endpoint::Endpoint;
pub use error::GatewayError;
pub use gateway::Gateway;
pub use limits::Limits;
pub use live::{LiveEvent, LiveEvents};
#[cfg(feature = "mcp")]
pub use mcp::McpServer;
pub use openapi::{JsonFirst, openapi_document};
pub use operation::Operation;
pub use params::BaseUrl;
pub use problem::{FieldError, Problem};
pub use replays::Replays;
pub use router::router;
pub use serve::{ServeOptions, Server, serve};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// The examples of the book's page about axum.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/axum.md")]
mod axum_docs {}

/// The examples of the book's page about the gateway.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/gateway.md")]
mod gateway_docs {}
