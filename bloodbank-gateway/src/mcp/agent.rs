//! The agent that calls a tool.

use axum::http::request::Parts;
use bloodbank_core::{
    envelope::{AgentContext, AgentType, Source, TriggerType},
    routing::BindingPattern,
};
use rmcp::{RoleServer, service::RequestContext};
use serde_json::{Map, Value};

use crate::auth::{Caller, Patterns};

/// The agent that calls a tool.
pub(super) struct Agent {
    pub(super) caller: Caller,
    /// The name of the program of the agent.
    pub(super) name: String,
    version: String,
    /// The keys that the request lets the agent publish, beside what its token allows; `None`: all.
    allowed: Option<Patterns>,
}

/// A header with patterns, with commas between them, that narrows what an agent may publish: `bb mcp --allow` sends it.
const ALLOW: &str = "bloodbank-agents-may-publish";

impl Agent {
    /// The agent that sent a request, with the caller that the guard has found.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let parts = context.extensions.get::<Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>()).cloned();
        let client = context.client_info();
        let (name, version) = client.map(|client| (client.name, client.version)).unwrap_or_default();
        Self {
            caller: caller.unwrap_or_else(Caller::anyone),
            allowed: parts.and_then(|parts| parts.headers.get(ALLOW)).map(|patterns| {
                let patterns = patterns.to_str().unwrap_or_default().split(',');
                // A pattern that cannot be read allows nothing.
                patterns.filter_map(|pattern| BindingPattern::parse_wire(pattern.trim()).ok()).collect()
            }),
            name: if name.is_empty() { "unknown".to_owned() } else { name },
            version,
        }
    }

    /// Whether the request lets the agent publish a key.
    pub(super) fn may_publish(&self, key: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.allow(key))
    }

    /// Whether the request lets the agent publish a key that a template stands for.
    pub(super) fn may_publish_some(&self, template: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.overlap(template))
    }

    /// The source of what the agent publishes.
    pub(super) fn source(&self) -> Source {
        let mut meta = Map::from_iter([("via".to_owned(), Value::from("mcp"))]);
        meta.insert("client_version".to_owned(), self.version.as_str().into());
        // The name of the program is what the agent says it is.
        let app = self.caller.source.as_deref().unwrap_or(&self.name);
        Source { meta: Some(meta), ..Source::new(TriggerType::Agent, app) }
    }

    /// The agent context of what the agent publishes.
    pub(super) fn context(&self) -> AgentContext {
        let agent = match AgentType::from(self.name.as_str()) {
            AgentType::Other(_) => AgentType::Custom,
            known => known,
        };
        AgentContext { name: Some(self.name.clone()), ..AgentContext::new(agent) }
    }
}
