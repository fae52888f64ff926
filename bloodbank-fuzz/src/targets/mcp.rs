//! The target `mcp`: messages of the Model Context Protocol.

use axum::{body::Body, http::Request};
use serde_json::json;

use super::gateway_client::GatewayClient;
use crate::Target;

/// Messages of the Model Context Protocol in an initialised session: each is answered, and none breaks the session.
#[derive(Default)]
pub struct McpMessages(Option<(GatewayClient, String)>);

impl McpMessages {
    /// Starts a gateway and initialises a session, whose id is returned.
    fn begin() -> (GatewayClient, String) {
        let client = GatewayClient::new();
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": { "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } },
        });
        let response = client.send(request("", hello.to_string().into_bytes()));
        let session = response.headers.get("mcp-session-id");
        let session = session.unwrap_or_else(|| panic!("no session: {}", String::from_utf8_lossy(&response.body)));
        let session = session.to_str().expect("ASCII").to_owned();
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        client.send(request(&session, ready.to_string().into_bytes()));
        (client, session)
    }
}

fn request(session: &str, body: Vec<u8>) -> Request<Body> {
    let request = Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream");
    let request = if session.is_empty() { request } else { request.header("mcp-session-id", session) };
    request.body(Body::from(body)).expect("a request")
}

impl Target for McpMessages {
    fn name(&self) -> &'static str {
        "mcp"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let id = "00000000-0000-0000-0000-000000000001";
        let call = |tool: &str, arguments| json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
        let mut corpus = vec![
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "resources/list", "params": { "cursor": "a" } }),
            json!({ "jsonrpc": "2.0", "id": "a", "method": "resources/read", "params": { "uri": "bloodbank://schemas/llm.prompt" } }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" }),
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 2, "reason": "a" } }),
            call("list_events", json!({ "domain": "llm", "pattern": "llm.*", "kind": "fact" })),
            call("get_event_schema", json!({ "key": "llm.prompt" })),
            call(
                "publish_event",
                json!({ "key": "llm.prompt", "payload": { "provider": "a", "prompt": "b" }, "correlation_ids": [id] }),
            ),
            call("publish_llm_prompt", json!({ "provider": "a", "prompt": "b" })),
            call("trace_event", json!({ "event_id": id, "format": "mermaid" })),
            call("query_events", json!({ "pattern": "llm.*", "limit": 3 })),
            call("execute_command", json!({ "key": "agent.thread.prompt", "payload": {}, "timeout_seconds": 1 })),
        ];
        corpus.push(json!([corpus[0], corpus[3]]));
        corpus.iter().map(|message| message.to_string().into_bytes()).collect()
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "jsonrpc",
            "2.0",
            "id",
            "method",
            "params",
            "result",
            "error",
            "tools/call",
            "tools/list",
            "resources/read",
            "resources/list",
            "initialize",
            "ping",
            "notifications/cancelled",
            "notifications/initialized",
            "name",
            "arguments",
            "list_events",
            "get_event_schema",
            "publish_event",
            "publish_llm_prompt",
            "trace_event",
            "query_events",
            "event_type",
            "payload",
            "correlation_ids",
            "event_id",
            "pattern",
            "limit",
            "domain",
            "uri",
            "_meta",
            "progressToken",
            "cursor",
            "requestId",
            "llm.prompt",
            "#",
            "*",
            "00000000-0000-0000-0000-000000000001",
            "bloodbank://schemas/",
            "bloodbank://asyncapi",
            "execute_command",
            "timeout_seconds",
            "format",
            "mermaid",
            "key",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let (client, session) = match self.0.take() {
            Some(begun) if !begun.0.is_worn_out() => self.0.insert(begun),
            _ => self.0.insert(Self::begin()),
        };
        let response = client.send(request(session, input.to_owned()));
        response.check();
        // The session has not ended with it.
        assert_ne!(response.status, axum::http::StatusCode::NOT_FOUND);
        format!("{:?}{}", response.status.canonical_reason(), String::from_utf8_lossy(&response.body))
    }
}
