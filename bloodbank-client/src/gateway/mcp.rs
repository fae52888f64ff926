//! The Model Context Protocol through a gateway: what a program says over its standard streams reaches `/mcp`.

use std::sync::Arc;

use bloodbank_core::routing::BindingPattern;
use futures_util::StreamExt;
use parking_lot::Mutex;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use sse_stream::SseStream;

use super::GatewayClient;
use crate::error::Result;

const SESSION: &str = "mcp-session-id";
/// What the agent of a request may publish.
const ALLOW: &str = "bloodbank-agents-may-publish";
const VERSION: &str = "mcp-protocol-version";

/// An MCP session at a gateway. Cheap to clone; all clones share it.
#[derive(Debug, Clone)]
pub struct McpSession {
    gateway: GatewayClient,
    /// The headers that the answer to `initialize` asks for.
    headers: Arc<Mutex<Vec<(&'static str, String)>>>,
    /// What the agent may publish, beside what its token allows.
    allow: Option<String>,
}

impl GatewayClient {
    /// A session that begins with the message `initialize`.
    #[must_use]
    pub fn mcp(&self) -> McpSession {
        McpSession { gateway: self.clone(), headers: Arc::default(), allow: None }
    }
}

impl McpSession {
    /// Lets the agent of this session publish only events that match one of these patterns; none: all that its token
    /// allows.
    #[must_use]
    pub fn allow(mut self, patterns: &[BindingPattern]) -> Self {
        let patterns: Vec<_> = patterns.iter().map(BindingPattern::as_str).collect();
        self.allow = Some(patterns.join(",")).filter(|patterns| !patterns.is_empty());
        self
    }

    /// Whether the gateway has answered `initialize`.
    #[must_use]
    pub fn is_initialized(&self) -> bool {
        !self.headers.lock().is_empty()
    }

    /// Sends a message of JSON-RPC; each message that comes back goes to `answer`.
    ///
    /// # Errors
    /// When the gateway does not answer, or refuses the message or the token.
    pub async fn send(&self, message: String, mut answer: impl FnMut(String)) -> Result<()> {
        let mut request = self.gateway.http.post(self.gateway.url_of(&["mcp"])?);
        request =
            request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in &*self.headers.lock() {
            request = request.header(*name, value);
        }
        if let Some(patterns) = &self.allow {
            request = request.header(ALLOW, patterns);
        }
        let response = self.gateway.send(request.body(message)).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (session, content_type) = (header(SESSION), header(CONTENT_TYPE.as_str()).unwrap_or_default());
        let mut receive = |text: String| {
            if let Some(session) = session.as_ref().filter(|_| !self.is_initialized()) {
                let version = serde_json::from_str::<Value>(&text).ok();
                let version = version.and_then(|answer| Some(answer["result"]["protocolVersion"].as_str()?.to_owned()));
                let mut headers = self.headers.lock();
                headers.push((SESSION, session.clone()));
                headers.extend(version.map(|version| (VERSION, version)));
            }
            answer(text);
        };
        if content_type.starts_with("text/event-stream") {
            let mut events = SseStream::from_bytes_stream(response.bytes_stream());
            while let Some(event) = events.next().await {
                let event = event.map_err(|error| self.gateway.invalid_answer(error.to_string()))?;
                if let Some(data) = event.data.filter(|data| !data.trim().is_empty()) {
                    receive(data);
                }
            }
            return Ok(());
        }
        let text = response.text().await.map_err(|error| self.gateway.unreachable(&error))?;
        if !text.trim().is_empty() {
            receive(text);
        }
        Ok(())
    }
}
