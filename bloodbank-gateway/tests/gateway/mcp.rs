//! Agents: the official client of the Model Context Protocol, over HTTP and over stdio.

use std::{path::Path, process::Stdio};

use bloodbank_core::{App, Bus, CommandManager, Settings, routing::BindingPattern};
use bloodbank_domains::agents::{Agents, Echo};
use bloodbank_gateway::Tokens;
use bloodbank_webhooks::FirefliesApi;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    documents::{node, python},
    support::{json_of, serve, serve_with},
};

/// Clients as they are called: of Python and of TypeScript, with the handshake of old and without one.
async fn clients() -> Vec<(String, Command)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut clients = Vec::new();
    for mode in ["legacy", "auto"] {
        let mut client = Command::new(python("python").await);
        client.arg(tests.join("mcp_client.py")).args(["--mode", mode]);
        clients.push((format!("Python, {mode}"), client));
    }
    for (sdk, mode) in [("1", "legacy"), ("2", "legacy"), ("2", "auto")] {
        let mut client = node().await;
        client.arg(tests.join("node/mcp_client.cjs")).args(["--sdk", sdk, "--mode", mode]);
        clients.push((format!("TypeScript {sdk}, {mode}"), client));
    }
    clients
}

async fn holds(name: &str, client: &mut Command) {
    let done = client.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("everything holds"), "{name}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_uses_every_tool_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db").to_str().unwrap().to_owned();
    let bus = Bus::connect(Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path)]).unwrap()).await.unwrap();
    let agents = App::new("agents", bus.clone())
        .state(Agents::new(Echo))
        .state(FirefliesApi::default())
        .commands(CommandManager::linked());
    let _agents = agents.start().await.unwrap();
    let patterns = ["llm.*", "artifact.*", "agent.#"].map(|pattern| BindingPattern::parse(pattern).unwrap());
    let gateway = serve_with(bus, |builder| builder.agents_may_publish(patterns.into_iter().collect())).await;
    for (name, mut client) in clients().await {
        client.args(["--without", "github", "--url", &format!("{}/mcp", gateway.url)]);
        holds(&name, &mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_uses_every_tool_over_stdio() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db").to_str().unwrap().to_owned();
    let tests = std::env::current_exe().unwrap();
    let example = tests.ancestors().nth(2).unwrap().join("examples/gateway");
    assert!(example.exists(), "{} is built with the tests", example.display());
    for (name, mut client) in clients().await {
        client.env("BLOODBANK_EMBEDDED_PATH", &path).arg("--").arg(&example).arg("mcp");
        holds(&name, &mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_history_an_agent_is_told_so() {
    let gateway = serve().await;
    for (name, mut client) in clients().await {
        client.args(["--without", "history", "--without", "executor", "--url", &format!("{}/mcp", gateway.url)]);
        holds(&name, &mut client).await;
    }
}

#[tokio::test]
async fn the_endpoint_of_agents_is_guarded_like_the_others() {
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } },
    });
    let open = serve().await;
    let ask =
        |request: reqwest::RequestBuilder| request.header("accept", "application/json, text/event-stream").json(&hello);
    assert!(ask(open.post("/mcp")).send().await.unwrap().status().is_success());
    let of_a_page = ask(open.post("/mcp").header("origin", "https://evil.example"));
    assert_eq!(json_of(of_a_page).await.0, StatusCode::FORBIDDEN);
    let (status, problem) = json_of(open.post("/mcp").json(&hello)).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE, "the protocol wants to be asked for both kinds of answer");
    assert!(problem["detail"].as_str().unwrap().contains("text/event-stream"), "{problem}");
    assert!(json_of(ask(open.post("/mcp")).json(&json!({}))).await.0.is_client_error());

    let tokens =
        r##"token = [{ name = "a", secret = "reader-of-llm-events", read = ["llm.*"], publish = ["llm.prompt"] }]"##;
    let guarded = serve_with(Bus::embedded(), |builder| builder.tokens(Tokens::from_toml(tokens).unwrap())).await;
    assert_eq!(json_of(ask(guarded.post("/mcp"))).await.0, StatusCode::UNAUTHORIZED);
    let response = ask(guarded.post("/mcp").bearer_auth("reader-of-llm-events")).send().await.unwrap();
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let call = async |id: u32, tool: &str, arguments: Value| {
        let call = json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments },
        });
        let request = guarded.post("/mcp").bearer_auth("reader-of-llm-events").header("mcp-session-id", &session);
        let request = request.header("accept", "application/json, text/event-stream").json(&call);
        request.send().await.unwrap().text().await.unwrap()
    };
    let notify = guarded.post("/mcp").bearer_auth("reader-of-llm-events").header("mcp-session-id", &session);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let notify = notify.header("accept", "application/json, text/event-stream").json(&initialized);
    assert!(notify.send().await.unwrap().status().is_success());
    let published = call(2, "publish_llm_prompt", json!({ "provider": "x", "prompt": "y" })).await;
    assert!(published.contains("\"isError\":false"), "{published}");
    let refused = call(3, "publish_llm_response", json!({ "provider": "x", "response": "y" })).await;
    assert!(refused.contains("may not publish `llm.response`"), "{refused}");
    let refused = call(4, "trace_event", json!({ "event_id": "11111111-2222-4333-8444-555555555555" })).await;
    assert!(refused.contains("may not read every event"), "{refused}");
}
