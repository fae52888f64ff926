//! What an agent must do.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

/// Somebody who answers prompts.
pub trait AgentProvider: Send + Sync + 'static {
    /// Its name, for logs.
    fn name(&self) -> &'static str;

    /// Answers. When the future is dropped, whatever it began ends too.
    ///
    /// # Errors
    /// [`AgentFailure`], which becomes `agent.thread.error`.
    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>>;
}

/// What is asked. All of it comes from an event, so from anybody who may publish one.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// Which model shall answer.
    pub model: Option<&'a str>,
    /// Where the agent shall work.
    pub working_dir: Option<&'a str>,
}

/// What holds for every prompt; by default five minutes and 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many bytes it may have.
    pub max_output: usize,
    /// The model for prompts that want none.
    pub model: Option<String>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), max_output: 1024 * 1024, model: None }
    }
}

impl Terms {
    pub(super) fn model_for<'a>(&'a self, asked: Asked<'a>) -> Option<&'a str> {
        asked.model.or(self.model.as_deref())
    }
}

/// What an agent said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// Which model gave it, where that is known.
    pub model: Option<String>,
    /// What it cost, in tokens, where that is known.
    pub tokens_used: Option<u64>,
}

/// Why an agent did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFailure {
    /// For programs: `TIMEOUT`, `TOO_LARGE`, `429`, …
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether another attempt can help.
    pub is_retryable: bool,
}

impl AgentFailure {
    /// No attempt can help before somebody changes something.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), is_retryable: false }
    }

    /// Another attempt can help.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), is_retryable: true }
    }
}

impl fmt::Display for AgentFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AgentFailure {}

/// The tokens of a `usage` object: `total_tokens`, or the sum of what went in and came out.
pub(super) fn tokens(usage: &serde_json::Value) -> Option<u64> {
    let number = |name: &str| usage.get(name).and_then(serde_json::Value::as_u64);
    number("total_tokens").or_else(|| {
        let parts = ["input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"];
        parts.into_iter().filter_map(number).reduce(u64::saturating_add)
    })
}

/// The beginning of a foreign text, in one line without control characters.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 500;
    let line = text.split(char::is_control).filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
