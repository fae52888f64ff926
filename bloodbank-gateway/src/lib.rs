//! Every registered event over HTTP: publish, watch, look up, trace.
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
//! | part | is |
//! |---|---|
//! | [`Gateway`], [`GatewayBuilder`] | what the endpoints work with: the bus, who may do what, limits |
//! | [`router()`] | the endpoints, as an `axum::Router` |
//! | [`serve()`], [`Server`], [`ServeOptions`] | the endpoints on an address, with timeouts, TLS and a graceful end |
//! | [`openapi::document`], [`asyncapi::document`] | what is registered, as documents |
//! | [`mcp::Server`] | the same for agents, over stdio; over HTTP it is an endpoint |
//! | [`Tokens`] | who may publish and read what |
//! | [`OpenRoutes`] | routes of somebody else, such as the webhooks of `bloodbank-webhooks` |
//!
//! Everything generic comes from the [registry](bloodbank_core::Registry): a program that links other events has other
//! endpoints, schemas and documents.
#![forbid(unsafe_code)]

pub mod asyncapi;
mod auth;
mod commands;
mod correlation;
pub mod dead_letters;
mod door;
mod error;
mod front;
mod gateway;
mod health;
pub mod json;
mod limits;
#[cfg(feature = "mcp")]
pub mod mcp;
mod metrics;
pub mod openapi;
mod pages;
mod params;
mod patience;
mod problem;
mod publish;
mod registry;
mod schemas;
mod serve;
mod stream;
#[cfg(feature = "tls")]
mod tls;

pub use auth::{Caller, Patterns, Token, Tokens};
pub use commands::{WatchCommands, WatchedCommands};
pub use error::GatewayError;
pub use gateway::{Gateway, GatewayBuilder, OpenRoutes, router};
pub use limits::Limits;
pub use problem::{Problem, ProblemFault};
pub use serve::{ServeOptions, Server, serve};
#[cfg(feature = "tls")]
pub use tls::Tls;
