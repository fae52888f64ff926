//! The dashboard of a gateway: what the bus does, in a browser.
//!
//! ```no_run
//! use bloodbank_core::Bus;
//! use bloodbank_gateway::{Gateway, ServeOptions, serve};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder(Bus::from_env().await?).endpoints(bloodbank_dashboard::endpoints()).build();
//! serve(gateway, ServeOptions::on("127.0.0.1", 8682)).await?;
//! # Ok(()) }
//! ```
//!
//! The dashboard is a crate of its own and adds itself to a gateway, as the webhooks do: the gateway knows nothing of pages, and
//! a program that serves no people does without them. `bb serve` has it.
//!
//! Pages are HTML that the server makes; they can be read without JavaScript. Their style and their script are part of the
//! program, and nothing is loaded from elsewhere.
//!
//! A module imports only modules above it in this list: refusals, assets and visits; data; HTML; forms; pages; the table of routes.
#![forbid(unsafe_code)]

mod assets;
mod dashboard;
mod data;
mod form;
mod html;
mod pages;
mod refusal;
mod routes;
mod visit;

pub use routes::endpoints;

/// The example of the book's page about the dashboard.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/dashboard.md")]
mod dashboard_docs {}
