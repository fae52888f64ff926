//! Events of threads with Logjangler.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A prompt was sent to Logjangler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "logjangler.thread.prompt", domain = "logjangler/thread", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct LogjanglerThreadPrompt {
    /// The provider of the agent, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The model that should answer; Logjangler chooses if absent.
    #[serde(default)]
    pub model: Option<String>,
    /// The text of the prompt.
    #[garde(length(min = 1))]
    pub prompt: String,
    /// The project that the prompt is about.
    #[serde(default)]
    pub project: Option<String>,
    /// The directory in which Logjangler should work.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// The subject area of the prompt.
    #[serde(default)]
    pub domain: Option<String>,
    /// Keywords to find the prompt by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Logjangler answered a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "logjangler.thread.response", domain = "logjangler/thread", caused_by(prompt_id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct LogjanglerThreadResponse {
    /// The provider of the agent, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The event id of the prompt, which becomes a parent of this event.
    #[serde(default)]
    pub prompt_id: Option<String>,
    /// Logjangler's answer.
    pub response: String,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<String>,
    /// The number of tokens used.
    #[serde(default)]
    pub tokens_used: Option<u64>,
    /// The time from prompt to response, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
}
