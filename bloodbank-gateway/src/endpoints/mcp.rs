//! `POST`, `GET` and `DELETE /mcp`: the Model Context Protocol over streamable HTTP.

use std::{pin::Pin, sync::Arc};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    handler::Handler,
    http::header,
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::json;

use crate::{gateway::Gateway, mcp::McpServer, operation::Operation, problem::Problem};

/// The handler of all methods of `/mcp`, which share their sessions.
#[derive(Clone, Default)]
pub(super) struct McpEndpoint {
    sessions: Arc<LocalSessionManager>,
}

impl Handler<(), Gateway> for McpEndpoint {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, gateway: Gateway) -> Self::Future {
        // The guard checks tokens, hosts and origins.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_max_request_body_bytes(gateway.limits().body_bytes)
            .with_cancellation_token(gateway.closing().child_token());
        let server = McpServer::new(gateway);
        let service = StreamableHttpService::new(move || Ok(server.clone()), self.sessions, config);
        Box::pin(async move { as_problem(service.handle(request).await.map(Body::new)).await })
    }
}

/// Turns a refusal in plain text into a problem like every other.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_plain = !response.headers().contains_key(header::CONTENT_TYPE);
    if !(status.is_client_error() || status.is_server_error()) || !is_plain {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, 4096).await.unwrap_or_default();
    let detail = match std::str::from_utf8(&text) {
        Ok(text) if !text.trim().is_empty() => text.trim(),
        _ => "the request does not follow the Model Context Protocol",
    };
    let problem = Problem::new(status, "mcp", "Not a request of the Model Context Protocol", detail);
    let (problem, body) = problem.into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(problem.headers);
    Response::from_parts(parts, body)
}

pub(super) fn post_operation() -> Operation {
    let content = json!({
        "application/json": { "schema": { "type": "object" } },
        "text/event-stream": { "schema": { "type": "string" } },
    });
    Operation::new("mcp", "Takes a message of the Model Context Protocol (MCP)")
        .parameter(session(false))
        .body(json!({ "application/json": { "schema": { "type": "object", "description": "A message of JSON-RPC 2.0." } } }))
        .response(200, json!({ "description": "The answer, or a stream that ends with it.", "content": content }))
        .response(202, json!({ "description": "The message needs no answer." }))
        .problems([400, 404, 406, 413, 415, 422])
}

pub(super) fn get_operation() -> Operation {
    let content = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    Operation::new("mcp_stream", "Streams the messages of an MCP session")
        .parameter(session(true))
        .response(200, json!({ "description": "The stream of messages.", "content": content }))
        .problems([400, 404, 406, 409])
}

pub(super) fn delete_operation() -> Operation {
    Operation::new("mcp_end", "Ends an MCP session")
        .parameter(session(true))
        .response(202, json!({ "description": "The session has ended." }))
        .response(204, json!({ "description": "The session has ended." }))
        .problems([400, 404])
}

fn session(required: bool) -> serde_json::Value {
    json!({
        "name": "Mcp-Session-Id", "in": "header", "required": required, "schema": { "type": "string" },
        "description": "The session, as the answer to `initialize` names it.",
    })
}
