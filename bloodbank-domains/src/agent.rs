//! Threads with AI agents: a prompt, and the response or the error.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Asks an agent; answered by [`AgentThreadResponse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.prompt", domain = "agent/thread", command, reply = AgentThreadResponse, validate)]
#[garde(allow_unvalidated)]
pub struct AgentThreadPrompt {
    /// Whose agent.
    #[garde(length(min = 1))]
    pub provider: String,
    /// Which model.
    #[serde(default)]
    pub model: Option<String>,
    /// What is asked.
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

/// What an agent answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.response", domain = "agent/thread", validate)]
#[garde(allow_unvalidated)]
pub struct AgentThreadResponse {
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

/// An agent did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "agent.thread.error", domain = "agent/thread", failure, validate)]
#[garde(allow_unvalidated)]
pub struct AgentThreadError {
    /// Whose agent.
    #[garde(length(min = 1))]
    pub provider: String,
    /// Which model.
    #[serde(default)]
    pub model: Option<String>,
    /// What went wrong, for people.
    pub error_message: String,
    /// What went wrong, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Whether another attempt can help.
    #[serde(default)]
    pub is_retryable: bool,
    /// How many attempts were made before.
    #[serde(default)]
    pub retry_count: u32,
    /// Anything else, such as the event that failed.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
