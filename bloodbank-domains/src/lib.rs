//! Ready-made events: meetings (`fireflies`), agent threads, artifacts, pull requests, language models.
//!
//! The crate holds declarations and their documentation, and no logic beyond conversion. The JSON of the events is that of
//! the Python side. The rules of the fields are checked when an event is published or read, and are part of its JSON Schema.
//!
//! With the feature `agents`, a program that links this crate can execute `agent.thread.prompt`: see the module `agents`.
#![forbid(unsafe_code)]

// Macros expand to `::bloodbank::…`, and this crate cannot depend on the facade, which depends on it.
extern crate bloodbank_core as bloodbank;

pub mod agent;
#[cfg(feature = "agents")]
pub mod agents;
pub mod artifact;
mod defaults;
mod examples;
pub mod failure;
pub mod fireflies;
pub mod github;
pub mod llm;
pub mod logjangler;
