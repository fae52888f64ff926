//! Ready-made events: meetings (`fireflies`), agent threads, artifacts, pull requests, language models.
//!
//! Declarations and documentation, no logic beyond conversion. The JSON is that of the Python side; the rules of the
//! fields are checked when an event is published or read, and stand in its JSON Schema.
//!
//! With the feature `agents`, a program that links this crate can execute `agent.thread.prompt`: see `agents`.
#![forbid(unsafe_code)]

// Macros expand to `::bloodbank::…`, and this crate cannot depend on the facade, which depends on it.
extern crate bloodbank_core as bloodbank;

pub mod agent;
#[cfg(feature = "agents")]
pub mod agents;
pub mod artifact;
pub mod failure;
pub mod fireflies;
pub mod github;
pub mod llm;
pub mod logjangler;
