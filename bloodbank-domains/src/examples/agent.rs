//! Examples of threads with agents.

use serde_json::Map;

use super::{some, texts};
use crate::{
    agent::{AgentThreadError, AgentThreadPrompt, AgentThreadResponse},
    logjangler::{LogjanglerThreadPrompt, LogjanglerThreadResponse},
};

impl AgentThreadPrompt {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            model: some("claude-sonnet-4"),
            prompt: "Explain event sourcing in two sentences.".to_owned(),
            project: some("bloodbank"),
            working_dir: some("/srv/bloodbank"),
            domain: some("documentation"),
            tags: texts(&["docs"]),
        }
    }
}

impl AgentThreadResponse {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            prompt_id: None,
            response: "State is the sum of everything that happened. Whoever keeps the events can compute it again."
                .to_owned(),
            model: some("claude-sonnet-4"),
            tokens_used: Some(1500),
            duration_ms: Some(2340),
        }
    }
}

impl AgentThreadError {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            model: some("claude-sonnet-4"),
            error_message: "the provider accepts no more requests for a minute".to_owned(),
            error_code: some("429"),
            is_retryable: true,
            retry_count: 2,
            metadata: Map::new(),
        }
    }
}

impl LogjanglerThreadPrompt {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            model: some("claude-sonnet-4"),
            prompt: "Which of today's errors are new?".to_owned(),
            project: some("bloodbank"),
            working_dir: some("/srv/bloodbank"),
            domain: some("logs"),
            tags: texts(&["logs", "daily"]),
        }
    }
}

impl LogjanglerThreadResponse {
    pub(crate) fn sample() -> Self {
        Self {
            provider: "anthropic".to_owned(),
            prompt_id: None,
            response: "One: the disk of the second node is full since 09:12.".to_owned(),
            model: some("claude-sonnet-4"),
            tokens_used: Some(830),
            duration_ms: Some(4120),
        }
    }
}
