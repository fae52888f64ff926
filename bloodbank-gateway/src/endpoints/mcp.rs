//! `POST`, `GET` and `DELETE /mcp`: the Model Context Protocol over streamable HTTP.

use std::{
    future::ready,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    handler::Handler,
    http::{Method, header},
    response::{IntoResponse, Response},
};
use bloodbank_core::json;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;

use crate::{
    auth::Caller,
    body::{media_type, read_body},
    gateway::Gateway,
    mcp::{CallerSessions, McpServer, Sessions},
    operation::Operation,
    problem::{FieldError, Problem},
};

const SESSION: &str = "mcp-session-id";

/// The handler of all methods of `/mcp`, which share their sessions.
#[derive(Clone, Default)]
pub(super) struct McpEndpoint {
    sessions: Arc<Sessions>,
}

impl Handler<(), Gateway> for McpEndpoint {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, gateway: Gateway) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_else(Caller::unknown);
        let session = request.headers().get(SESSION).and_then(|session| session.to_str().ok());
        if session.is_some_and(|session| self.sessions.is_of_another(session, &caller)) {
            let problem = Problem::not_found("this token has no session with this id; begin one with `initialize`");
            return Box::pin(ready(problem.into_response()));
        }
        let limit = gateway.limits().body_bytes;
        // The guard checks tokens, hosts and origins.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_max_request_body_bytes(limit)
            .with_cancellation_token(gateway.closing().child_token());
        let sessions = CallerSessions::new(self.sessions, &caller, gateway.limits().mcp_sessions);
        let is_full = sessions.is_full();
        let server = McpServer::new(gateway);
        let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(sessions), config);
        Box::pin(async move {
            let request = match checked(request, limit).await {
                Ok(request) => request,
                Err(problem) => return problem.into_response(),
            };
            let response = service.handle(request).await.map(Body::new);
            if is_full.load(Ordering::Relaxed) {
                return Problem::unavailable(
                    "as many MCP sessions are open as one token may have; end one with `DELETE /mcp`, or wait until an idle one ends",
                )
                .into_response();
            }
            as_problem(response).await
        })
    }
}

/// Refuses a message whose JSON has two meanings, of which the reader of the protocol would take one without a word, and
/// one that is not called JSON.
async fn checked(request: Request, limit: usize) -> Result<Request, Problem> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(Problem::media_type("send the message with the header `Content-Type: application/json`"));
    }
    let (parts, body) = request.into_parts();
    let body = read_body(body, limit).await?;
    match json::read_value(&body) {
        Err(fault) if !fault.is_syntax() => {
            let errors = vec![FieldError::new(fault.pointer(), fault.detail())];
            Err(Problem::bad_request("the message can be read in more than one way").with_errors(errors))
        }
        _ => Ok(Request::from_parts(parts, Body::from(body))),
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
