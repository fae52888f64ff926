//! Threads with AI agents: a prompt, and the response or the error.

use bloodbank_macros::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks an agent; answered by [`AgentThreadResponse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.prompt", domain = "agent/thread", command, reply = AgentThreadResponse)]
pub struct AgentThreadPrompt {
    /// Whose agent.
    pub provider: String,
    /// Which model.
    #[serde(default)]
    pub model: Option<String>,
    /// What is asked.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.response", domain = "agent/thread")]
pub struct AgentThreadResponse {
    /// Whose agent.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.error", domain = "agent/thread", failure)]
pub struct AgentThreadError {
    /// Whose agent.
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
}
