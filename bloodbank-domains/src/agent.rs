//! Events of threads with AI agents: a prompt, and its response or error.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Asks an AI agent to answer a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.prompt", domain = "agent/thread", command, reply = AgentThreadResponse, validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct AgentThreadPrompt {
    /// The provider of the agent, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The model that should answer; the agent chooses if absent.
    #[serde(default)]
    pub model: Option<String>,
    /// The text of the prompt.
    #[garde(length(min = 1))]
    pub prompt: String,
    /// The project that the prompt is about.
    #[serde(default)]
    pub project: Option<String>,
    /// The directory in which the agent should work.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// The subject area of the prompt.
    #[serde(default)]
    pub domain: Option<String>,
    /// Keywords to find the prompt by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// An AI agent answered a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.response", domain = "agent/thread", caused_by(prompt_id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct AgentThreadResponse {
    /// The provider of the agent, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The event id of the prompt, which becomes a parent of this event.
    #[serde(default)]
    pub prompt_id: Option<String>,
    /// The agent's answer.
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

/// An AI agent failed to answer a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.error", domain = "agent/thread", failure, validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct AgentThreadError {
    /// The provider of the agent, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The model that was asked.
    #[serde(default)]
    pub model: Option<String>,
    /// The error message, for people.
    pub error_message: String,
    /// The error code, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Whether another attempt can succeed.
    #[serde(default)]
    pub is_retryable: bool,
    /// The number of attempts before this one.
    #[serde(default)]
    pub retry_count: u32,
    /// Further data, such as the id of the event that was being handled.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
