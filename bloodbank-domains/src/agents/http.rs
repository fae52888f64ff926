//! A chat endpoint with the interface of OpenAI: OpenAI itself, Ollama, vLLM, llama.cpp, LiteLLM, …

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
    AgentFailure, AgentProvider, Answer, Asked, Terms,
    provider::{excerpt, tokens},
};

/// What an address may be.
pub(super) const ALLOWED: &str = if cfg!(feature = "http-tls") {
    "the address before `/chat/completions`, such as `https://api.openai.com/v1`, without a password in it"
} else {
    "the address before `/chat/completions`, such as `http://localhost:11434/v1`, without a password in it; \
     `https` needs the feature `http-tls` of bloodbank-domains"
};

/// Asks a chat endpoint with the interface of OpenAI. No redirects are followed: the key stays with the address it is for.
#[derive(Clone)]
pub struct Http {
    endpoint: Url,
    key: Option<HeaderValue>,
    terms: Terms,
    client: Client,
}

/// A value that cannot be used; which ones can, it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable(&'static str);

impl Unusable {
    /// What is allowed, after the name of a setting.
    pub(super) fn must_be(self) -> String {
        format!("must be {}", self.0)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it {}", self.must_be())
    }
}

impl std::error::Error for Unusable {}

impl Http {
    /// The endpoint under this address, such as `http://localhost:11434/v1`.
    ///
    /// # Errors
    /// [`Unusable`] when it is no such address.
    pub fn new(url: &str) -> Result<Self, Unusable> {
        let unusable = Unusable(ALLOWED);
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
        Ok(Self { endpoint, key: None, terms: Terms::default(), client })
    }

    /// The key, sent as a bearer token.
    ///
    /// # Errors
    /// [`Unusable`] when it cannot stand in a header.
    pub fn key(mut self, key: &str) -> Result<Self, Unusable> {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| Unusable("printable ASCII"))?;
        value.set_sensitive(true);
        self.key = Some(value);
        Ok(self)
    }

    /// How long an answer may take, how many bytes it may have with everything around it, and the model for prompts that
    /// want none.
    #[must_use]
    pub fn terms(mut self, terms: Terms) -> Self {
        self.terms = terms;
        self
    }

    async fn run(&self, asked: Asked<'_>) -> Result<Answer, AgentFailure> {
        let Some(model) = self.terms.model_for(asked) else {
            let message = "the prompt wants no model; give it one, or set BLOODBANK_AGENT_MODEL";
            return Err(AgentFailure::permanent("NO_MODEL", message));
        };
        let body = json!({"model": model, "messages": [{"role": "user", "content": asked.prompt}]});
        let mut request = self.client.post(self.endpoint.clone()).timeout(self.terms.timeout);
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
            if body.len() + chunk.len() > self.terms.max_output {
                let message = format!("the agent answered with more than {} bytes", self.terms.max_output);
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
                format!("the agent did not answer within {:?}", self.terms.timeout),
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

/// The part of an answer that counts.
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

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(self.run(asked))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("host", &self.endpoint.host_str())
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
