//! Threads with Logjangler.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logjangler was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "logjangler.thread.prompt", domain = "logjangler/thread", validate)]
#[garde(allow_unvalidated)]
pub struct LogjanglerThreadPrompt {
    /// Whose agent.
    #[garde(length(min = 1))]
    pub provider: String,
    /// Which model.
    #[serde(default)]
    pub model: Option<String>,
    /// What was asked.
    #[garde(length(min = 1))]
    pub prompt: String,
    /// The project it is about.
    #[serde(default)]
    pub project: Option<String>,
    /// Where the agent works.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub domain: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Logjangler answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "logjangler.thread.response", domain = "logjangler/thread", validate)]
#[garde(allow_unvalidated)]
pub struct LogjanglerThreadResponse {
    /// Whose agent.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The prompt it answers.
    #[serde(default)]
    pub prompt_id: Option<String>,
    /// The answer.
    pub response: String,
    /// Which model.
    #[serde(default)]
    pub model: Option<String>,
    /// What it cost, in tokens.
    #[serde(default)]
    pub tokens_used: Option<u64>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
}
