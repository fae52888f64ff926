//! The contract of agent providers.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;

/// A provider of answers to prompts, such as a program or a chat endpoint.
pub trait AgentProvider: Send + Sync + 'static {
    /// The name of the provider, for logs.
    fn name(&self) -> &'static str;

    /// Answers a question. Dropping the future ends whatever the provider has started for it.
    ///
    /// # Errors
    /// [`AgentFailure`], which becomes `agent.thread.error`.
    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>>;
}

/// A question for an agent. Everything in it comes from an event, and so from anybody who may publish one.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Question<'a> {
    /// The text of the prompt.
    pub prompt: &'a str,
    /// The model that should answer.
    pub model: Option<&'a str>,
    /// The directory in which the agent should work.
    pub working_dir: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// Makes a question that names neither a model nor a directory.
    pub fn new(prompt: &'a str) -> Self {
        Self { prompt, model: None, working_dir: None }
    }
}

/// The limits for an answer, and the model that answers by default. Without settings: five minutes and 1 MiB.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The time that an answer may take.
    pub timeout: Duration,
    /// The number of bytes that an answer may have.
    pub max_output: usize,
    /// The model for prompts that name none.
    pub model: Option<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300), max_output: 1024 * 1024, model: None }
    }
}

impl Limits {
    /// Sets the time that an answer may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the number of bytes that an answer may have.
    #[must_use]
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// Sets the model for prompts that name none.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    pub(super) fn model_for<'a>(&'a self, question: Question<'a>) -> Option<&'a str> {
        question.model.or(self.model.as_deref())
    }
}

/// An agent's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The text of the answer.
    pub text: String,
    /// The model that answered, if known.
    pub model: Option<String>,
    /// The number of tokens used, if known.
    pub tokens_used: Option<u64>,
}

impl Answer {
    /// Makes an answer of which nothing but the text is known.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), model: None, tokens_used: None }
    }

    /// Sets the model that answered.
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the number of tokens used.
    #[must_use]
    pub fn tokens_used(mut self, tokens: u64) -> Self {
        self.tokens_used = Some(tokens);
        self
    }
}

/// The reason why an agent did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentFailure {
    /// The error code, for programs: `TIMEOUT`, `TOO_LARGE`, `429`, …
    pub code: String,
    /// The error message, for people.
    pub message: String,
    /// Whether another attempt can succeed.
    pub is_retryable: bool,
}

impl AgentFailure {
    /// Makes a failure that no attempt can mend before somebody changes something.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), is_retryable: false }
    }

    /// Makes a failure that another attempt can mend.
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

/// The tokens of a `usage` object: `total_tokens`, or the sum of input and output tokens.
pub(super) fn tokens(usage: &serde_json::Value) -> Option<u64> {
    let number = |name: &str| usage.get(name).and_then(serde_json::Value::as_u64);
    number("total_tokens").or_else(|| {
        let parts = ["input_tokens", "output_tokens", "prompt_tokens", "completion_tokens"];
        parts.into_iter().filter_map(number).reduce(u64::saturating_add)
    })
}

/// The beginning of an untrusted text, in one line without control characters.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 500;
    let line = text.split(char::is_control).filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
