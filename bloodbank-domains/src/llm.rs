//! Language models: what was asked and what was answered, by whatever program.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A model was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.prompt", validate)]
#[garde(allow_unvalidated)]
pub struct LlmPrompt {
    /// Whose model.
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
    /// Where the program ran.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// What it is about.
    #[serde(default)]
    pub domain: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// How freely it may answer.
    #[serde(default)]
    #[garde(range(min = 0.0))]
    pub temperature: Option<f64>,
    /// The tools it may call.
    #[serde(default, deserialize_with = "none_or_many")]
    pub tools: Vec<String>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.response", validate)]
#[garde(allow_unvalidated)]
pub struct LlmResponse {
    /// Whose model.
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
    /// What it cost, in detail.
    #[serde(default)]
    pub usage: Option<Map<String, Value>>,
}

/// A model did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.error", failure, validate)]
#[garde(allow_unvalidated)]
pub struct LlmError {
    /// Whose model.
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

/// A list, or `null`: the first Python version has it for none.
fn none_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
