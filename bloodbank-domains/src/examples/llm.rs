//! Examples of prompts to language models, and of their answers.

use serde_json::Map;

use super::{some, texts};
use crate::llm::{LlmError, LlmPrompt, LlmResponse};

impl LlmPrompt {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            model: some("claude-sonnet-4"),
            prompt: "Which fields does a transcript have?".to_owned(),
            project: some("bloodbank"),
            working_dir: some("/srv/bloodbank"),
            domain: some("meetings"),
            tags: texts(&["cli"]),
            temperature: Some(0.5),
            tools: texts(&["read_file"]),
            metadata: Map::new(),
        }
    }
}

impl LlmResponse {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            prompt_id: None,
            response: "A title, a date, a duration, and the sentences with their speakers.".to_owned(),
            model: some("claude-sonnet-4"),
            tokens_used: Some(412),
            duration_ms: Some(1250),
            usage: Some(Map::from_iter([
                ("input_tokens".to_owned(), 380.into()),
                ("output_tokens".to_owned(), 32.into()),
            ])),
        }
    }
}

impl LlmError {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            model: some("claude-sonnet-4"),
            error_message: "no answer within 60 s".to_owned(),
            error_code: some("TIMEOUT"),
            is_retryable: true,
            retry_count: 0,
            metadata: Map::new(),
        }
    }
}
