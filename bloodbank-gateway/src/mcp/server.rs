//! The MCP server.

use bloodbank_core::Registry;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::stdio,
};

use super::{agent::Agent, call, commands::Progress, resources, tools};
use crate::{error::GatewayError, gateway::Gateway};

const INSTRUCTIONS: &str = "Bloodbank is an event bus. `list_events` lists the events, and `get_event_schema` returns the \
    schema of one. `publish_event` publishes an event. `execute_command` publishes a command and waits for its reply; `command_status` tells what became of it. \
    `trace_event` returns the causes and effects of an event, and `query_events` the events that were published. When you \
    publish, pass the ids of the events that caused it as `correlation_ids`.";

/// A server of the Model Context Protocol (MCP) over stdio, which offers the events of a gateway to AI agents as tools.
///
/// Over streamable HTTP the [router](crate::router()) serves the same tools, as `POST /mcp`.
///
/// ```no_run
/// # async fn example(gateway: bloodbank_gateway::Gateway) -> Result<(), bloodbank_gateway::GatewayError> {
/// bloodbank_gateway::McpServer::new(gateway).serve_stdio().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct McpServer {
    gateway: Gateway,
}

impl McpServer {
    /// Makes a server for a gateway.
    #[must_use]
    pub fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }

    /// Serves one client on the standard input and output of this process, until the client disconnects.
    ///
    /// # Errors
    /// An error says that the client does not speak MCP, or that the connection broke.
    pub async fn serve_stdio(self) -> Result<(), GatewayError> {
        let failed = || {
            GatewayError::new("the MCP session broke off; start this program from a client that speaks MCP over stdio")
        };
        let running = self.serve(stdio()).await.map_err(|error| failed().with_source(error))?;
        running.waiting().await.map(drop).map_err(|error| failed().with_source(error))
    }
}

impl ServerHandler for McpServer {
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
        let agent = Agent::of(&context);
        let may_publish = |key: &str| {
            agent.caller.publish.overlap(key)
                && self.gateway.agent_patterns().overlap(key)
                && agent.may_publish_some(key)
        };
        Ok(ListToolsResult::with_all_items(tools::all(Registry::global(), may_publish)))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let (agent, progress) = (Agent::of(&context), Progress::of(&context));
        // A call that the client has cancelled is dropped.
        let result = tokio::select! {
            result = call::call(&self.gateway, &agent, &request.name, arguments, &progress) => result,
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
        resources::read(Registry::global(), self.gateway.bus().settings(), &request.uri).map(ReadResourceResponse::from)
    }
}
