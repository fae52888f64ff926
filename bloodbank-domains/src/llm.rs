//! Events of language models: prompts, responses and errors of any program that uses a model.

use bloodbank_macros::Event;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A prompt was sent to a language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.prompt", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct LlmPrompt {
    /// The provider of the model, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The model that was asked.
    #[serde(default)]
    pub model: Option<String>,
    /// The text of the prompt.
    #[garde(length(min = 1))]
    pub prompt: String,
    /// The project that the prompt is about.
    #[serde(default)]
    pub project: Option<String>,
    /// The directory in which the program ran.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// The subject area of the prompt.
    #[serde(default)]
    pub domain: Option<String>,
    /// Keywords to find the prompt by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The sampling temperature.
    #[serde(default)]
    #[garde(range(min = 0.0))]
    pub temperature: Option<f64>,
    /// The names of the tools that the model may call.
    #[serde(default, deserialize_with = "none_or_many")]
    pub tools: Vec<String>,
    /// Further data about the prompt.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A language model answered a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.response", caused_by(prompt_id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct LlmResponse {
    /// The provider of the model, such as `anthropic`.
    #[garde(length(min = 1))]
    pub provider: String,
    /// The event id of the prompt, which becomes a parent of this event.
    #[serde(default)]
    pub prompt_id: Option<String>,
    /// The model's answer.
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
    /// The provider's details about tokens and costs.
    #[serde(default)]
    pub usage: Option<Map<String, Value>>,
}

/// A language model failed to answer a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "llm.error", failure, validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct LlmError {
    /// The provider of the model, such as `anthropic`.
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

/// Reads a list or `null`, which the first Python version writes for an empty list.
fn none_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
