//! The agent that calls a tool.

use axum::http::request::Parts;
use bloodbank_core::envelope::{AgentContext, AgentType, Source, TriggerType};
use rmcp::{RoleServer, service::RequestContext};
use serde_json::{Map, Value};

use crate::auth::Caller;

/// The agent that calls a tool.
pub(super) struct Agent {
    pub(super) caller: Caller,
    /// The name of the program of the agent.
    pub(super) name: String,
    version: String,
}

impl Agent {
    /// The agent that sent a request, with the caller that the guard has found.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let parts = context.extensions.get::<Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>()).cloned();
        let client = context.client_info();
        let (name, version) = client.map(|client| (client.name, client.version)).unwrap_or_default();
        Self {
            caller: caller.unwrap_or_else(Caller::anyone),
            name: if name.is_empty() { "unknown".to_owned() } else { name },
            version,
        }
    }

    /// The source of what the agent publishes.
    pub(super) fn source(&self) -> Source {
        let mut meta = Map::from_iter([("via".to_owned(), Value::from("mcp"))]);
        meta.insert("client_version".to_owned(), self.version.as_str().into());
        if let Some(token) = &self.caller.name {
            meta.insert("client".to_owned(), Value::from(&**token));
        }
        Source { meta: Some(meta), ..Source::new(TriggerType::Agent, self.name.as_str()) }
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
