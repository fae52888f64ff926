//! Ready-made events: meetings (`fireflies`), agent threads, artifacts, pull requests, language models.
//!
//! Declarations and documentation, no logic beyond conversion. The JSON is that of the Python side.
#![forbid(unsafe_code)]

// Macros expand to `::bloodbank::…`, and this crate cannot depend on the facade, which depends on it.
extern crate bloodbank_core as bloodbank;

pub mod agent;
pub mod artifact;
pub mod fireflies;
pub mod github;
pub mod llm;
pub mod logjangler;
