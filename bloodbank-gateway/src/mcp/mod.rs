//! The door for AI agents: the registered events as tools of the Model Context Protocol.
//!
//! Over streamable HTTP it is part of the [router](crate::router()) (`POST /mcp`); over stdio a program serves it itself:
//!
//! ```no_run
//! # async fn example(gateway: bloodbank_gateway::Gateway) -> Result<(), bloodbank_gateway::GatewayError> {
//! bloodbank_gateway::mcp::Server::new(gateway).serve_stdio().await
//! # }
//! ```
//!
//! What an agent publishes has the source `agent` with the name of its client. Which keys it may publish,
//! [`GatewayBuilder::agents_may_publish`](crate::GatewayBuilder::agents_may_publish) says.

mod arguments;
mod call;
mod resources;
mod tools;

use std::sync::Arc;

use axum::{
    body::to_bytes,
    http::{header, request::Parts},
    response::{IntoResponse, Response},
};
use bloodbank_core::{
    Registry,
    envelope::{AgentContext, AgentType, Source, TriggerType},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use serde_json::{Map, Value};

use crate::{Gateway, GatewayError, auth::Caller, problem::Problem};

const INSTRUCTIONS: &str = "Bloodbank is an event bus. `list_events` says which events there are, `get_event_schema` what \
    they look like; `publish_event` publishes one, `execute_command` asks for something and waits for the answer, \
    `trace_event` and `query_events` say what happened. Pass the ids of the events that caused what you publish as \
    `correlation_ids`.";

/// The MCP server of a gateway.
#[derive(Debug, Clone)]
pub struct Server {
    gateway: Gateway,
}

/// Who calls a tool.
pub(crate) struct Agent {
    pub(crate) caller: Caller,
    /// The name of its program.
    pub(crate) name: String,
    version: String,
}

impl Server {
    /// The server of this gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Serves one client on the standard input and output of this process, until it goes.
    ///
    /// # Errors
    /// When the client does not speak MCP, or breaks off.
    pub async fn serve_stdio(self) -> Result<(), GatewayError> {
        let failed =
            || GatewayError::new("the MCP client broke off; start this from a client that speaks MCP over stdio");
        let running = self.serve(stdio()).await.map_err(|error| failed().with_source(error))?;
        running.waiting().await.map(drop).map_err(|error| failed().with_source(error))
    }

    fn agent(context: &RequestContext<RoleServer>) -> Agent {
        let parts = context.extensions.get::<Parts>();
        let caller = parts.and_then(|parts| parts.extensions.get::<Caller>()).cloned();
        let client = context.client_info();
        let (name, version) = client.map(|client| (client.name, client.version)).unwrap_or_default();
        Agent {
            caller: caller.unwrap_or_else(Caller::anyone),
            name: if name.is_empty() { "unknown".to_owned() } else { name },
            version,
        }
    }
}

impl Agent {
    /// The source of what it publishes.
    pub(crate) fn source(&self) -> Source {
        let mut meta = Map::from_iter([("via".to_owned(), Value::from("mcp"))]);
        meta.insert("client_version".to_owned(), self.version.as_str().into());
        if let Some(token) = &self.caller.name {
            meta.insert("client".to_owned(), Value::from(&**token));
        }
        Source { meta: Some(meta), ..Source::new(TriggerType::Agent, self.name.as_str()) }
    }

    pub(crate) fn context(&self) -> AgentContext {
        let agent = match AgentType::from(self.name.as_str()) {
            AgentType::Other(_) => AgentType::Custom,
            known => known,
        };
        AgentContext { name: Some(self.name.clone()), ..AgentContext::new(agent) }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("bloodbank", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let agent = Self::agent(&context);
        let may_publish = |key: &str| agent.caller.publish.overlap(key) && self.gateway.agent_patterns().overlap(key);
        Ok(ListToolsResult::with_all_items(tools::all(Registry::global(), may_publish)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let agent = Self::agent(&context);
        // A call that its client gave up is given up.
        let result = tokio::select! {
            result = call::call(&self.gateway, &agent, &request.name, arguments) => result,
            () = context.ct.cancelled() => return Err(ErrorData::internal_error("cancelled", None)),
        };
        result.map(CallToolResponse::from)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all(Registry::global())))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(Registry::global(), &request.uri).map(ReadResourceResponse::from)
    }
}

/// The server over streamable HTTP. Tokens, hosts and origins are checked by the layers of the router.
pub(crate) fn http(gateway: &Gateway) -> StreamableHttpService<Server, LocalSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_max_request_body_bytes(gateway.limits().body_bytes)
        .with_cancellation_token(gateway.closing().child_token());
    let server = Server::new(gateway.clone());
    StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
}

/// What the protocol refuses in plain text is a problem like every other.
pub(crate) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_plain = !response.headers().contains_key(header::CONTENT_TYPE);
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, 4096).await.unwrap_or_default();
    let detail = match std::str::from_utf8(&text) {
        Ok(text) if !text.trim().is_empty() => text.trim(),
        _ => "the request does not follow the protocol",
    };
    let problem = Problem::new(status, "mcp", "This is no request of the Model Context Protocol", detail);
    let (problem, body) = problem.into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(problem.headers);
    Response::from_parts(parts, body)
}
