//! The provider `http`: a chat endpoint with the interface of OpenAI, such as OpenAI, Ollama, vLLM, llama.cpp or LiteLLM.

use std::fmt;

use futures_util::future::BoxFuture;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    AgentFailure, AgentProvider, Answer, Limits, Question,
    provider::{excerpt, tokens},
};

/// The description of a valid address, for error messages.
pub(super) const ALLOWED: &str = if cfg!(feature = "http-tls") {
    "the address before `/chat/completions`, such as `https://api.openai.com/v1`, without a password in it"
} else {
    "the address before `/chat/completions`, such as `http://localhost:11434/v1`, without a password in it; \
     `https` needs the feature `http-tls` of bloodbank-domains"
};

/// An agent provider that asks a chat endpoint with the interface of OpenAI.
///
/// Redirects are not followed, so that the key is sent to no other address.
#[derive(Clone)]
pub struct Http {
    endpoint: Url,
    key: Option<HeaderValue>,
    limits: Limits,
    client: Client,
}

/// A setting of an [`Http`] provider with an invalid value; the message says what is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSetting(&'static str);

impl InvalidSetting {
    /// The second half of a sentence that begins with the name of the setting.
    pub(super) fn must_be(self) -> String {
        format!("must be {}", self.0)
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it {}", self.must_be())
    }
}

impl std::error::Error for InvalidSetting {}

impl Http {
    /// Makes a provider for the endpoint under this address, such as `http://localhost:11434/v1`.
    ///
    /// # Errors
    /// [`InvalidSetting`] when the address is not that of an endpoint.
    pub fn new(url: &str) -> Result<Self, InvalidSetting> {
        let unusable = InvalidSetting(ALLOWED);
        let mut endpoint = Url::parse(url).map_err(|_| unusable)?;
        let is_known = endpoint.scheme() == "http" || (cfg!(feature = "http-tls") && endpoint.scheme() == "https");
        if !is_known || !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(unusable);
        }
        endpoint.path_segments_mut().map_err(|()| unusable)?.pop_if_empty().extend(["chat", "completions"]);
        #[cfg(feature = "http-tls")]
        // Another part of the program may have chosen one already; that one is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).build().map_err(|_| unusable)?;
        Ok(Self { endpoint, key: None, limits: Limits::default(), client })
    }

    /// Sets the API key, which is sent as a bearer token.
    ///
    /// # Errors
    /// [`InvalidSetting`] when the key cannot be sent in a header.
    pub fn key(mut self, key: &str) -> Result<Self, InvalidSetting> {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| InvalidSetting("printable ASCII"))?;
        value.set_sensitive(true);
        self.key = Some(value);
        Ok(self)
    }

    /// Sets the limits of time and of the bytes in a whole response, and the model for prompts that name none.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    async fn run(&self, question: Question<'_>) -> Result<Answer, AgentFailure> {
        let Some(model) = self.limits.model_for(question) else {
            let message = "the prompt wants no model; give it one, or set BLOODBANK_AGENT_MODEL";
            return Err(AgentFailure::permanent("NO_MODEL", message));
        };
        let body = json!({"model": model, "messages": [{"role": "user", "content": question.prompt}]});
        let mut request = self.client.post(self.endpoint.clone()).timeout(self.limits.timeout);
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        let completion: Completion = serde_json::from_slice(&body).map_err(|error| {
            AgentFailure::permanent("BAD_ANSWER", format!("the agent answered with no chat completion: {error}"))
        })?;
        let text = completion.choices.into_iter().find_map(|choice| choice.message.content).ok_or_else(|| {
            AgentFailure::permanent("BAD_ANSWER", "the agent answered with a chat completion without text")
        })?;
        Ok(Answer {
            text,
            model: completion.model.or_else(|| Some(model.to_owned())),
            tokens_used: completion.usage.as_ref().and_then(tokens),
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, AgentFailure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            if body.len() + chunk.len() > self.limits.max_output {
                let message = format!("the agent answered with more than {} bytes", self.limits.max_output);
                return Err(AgentFailure::permanent("TOO_LARGE", message));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: reqwest::Error) -> AgentFailure {
        if error.is_timeout() {
            return AgentFailure::retryable(
                "TIMEOUT",
                format!("the agent did not answer within {:?}", self.limits.timeout),
            );
        }
        // An address may hold a key.
        let error = error.without_url();
        let mut message = format!("the agent cannot be reached: {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            message.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        AgentFailure::retryable("UNREACHABLE", message)
    }
}

/// The parts of a chat completion that are read.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

fn refused(status: StatusCode, body: &[u8]) -> AgentFailure {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &value["error"];
    let said = error["message"].as_str().or(error.as_str()).map(str::to_owned);
    let said = excerpt(&said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()));
    let message = format!("the agent refused with status {}: {said}", status.as_u16());
    let is_retryable = status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT, StatusCode::CONFLICT].contains(&status);
    AgentFailure { code: status.as_u16().to_string(), message, is_retryable }
}

impl AgentProvider for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn ask<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(self.run(question))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("host", &self.endpoint.host_str())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
