//! Agents: the official client of the Model Context Protocol, over HTTP and over stdio.

use std::{path::Path, process::Stdio, sync::Arc};

use bloodbank_core::{App, Bus, CommandManager, Settings, routing::BindingPattern};
use bloodbank_domains::agents::{Agents, Echo};
use bloodbank_gateway::{Limits, Tokens};
use bloodbank_webhooks::FirefliesApi;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{process::Command, sync::Notify};
use uuid::Uuid;

use crate::{
    documents::{node, python},
    streams::Patient,
    support::{PROMPT, Served, buses, json_of, serve, serve_with},
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

/// A session of an agent, spoken by hand.
pub(crate) struct Session<'a> {
    gateway: &'a Served,
    secret: Option<&'a str>,
    id: String,
}

impl<'a> Session<'a> {
    /// Asks for a session.
    pub(crate) async fn ask(gateway: &Served, secret: Option<&str>) -> Response {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "test-agent", "version": "1" },
            },
        });
        send(gateway, secret, None, &hello).await
    }

    pub(crate) async fn open(gateway: &'a Served, secret: Option<&'a str>) -> Self {
        let response = Self::ask(gateway, secret).await;
        let id = response.headers()["mcp-session-id"].to_str().expect("ASCII").to_owned();
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert!(send(gateway, secret, Some(&id), &initialized).await.status().is_success());
        Self { gateway, secret, id }
    }

    /// The structured result of a tool, or the text of its error.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        self.call_with_progress(tool, arguments).await.0
    }

    /// The result of a tool, and the notifications of progress before it.
    async fn call_with_progress(&self, tool: &str, arguments: Value) -> (Result<Value, String>, Vec<Value>) {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } });
        let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
        let text = send(self.gateway, self.secret, Some(&self.id), &call).await.text().await.expect("a body");
        let messages = text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
        let mut messages: Vec<Value> = messages.collect();
        let answer = messages.pop().unwrap_or_else(|| panic!("no answer: {text}"));
        let result = &answer["result"];
        let result = match result["isError"].as_bool() {
            Some(true) => Err(result["content"][0]["text"].as_str().expect("text").to_owned()),
            _ => Ok(result["structuredContent"].clone()),
        };
        (result, messages)
    }

    async fn end(self) -> StatusCode {
        let mut request = self.gateway.client.delete(format!("{}/mcp", self.gateway.url));
        if let Some(secret) = self.secret {
            request = request.bearer_auth(secret);
        }
        request.header("mcp-session-id", self.id).send().await.expect("an answer").status()
    }
}

/// The answer to a text in place of a message of the session.
pub(crate) async fn send_text(session: &Session<'_>, text: String, media_type: &str) -> Response {
    let request = session.gateway.post("/mcp").header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-session-id", &session.id).header("content-type", media_type);
    request.body(text).send().await.expect("an answer")
}

async fn send(gateway: &Served, secret: Option<&str>, session: Option<&str>, message: &Value) -> Response {
    let mut request = gateway.post("/mcp").header("accept", "application/json, text/event-stream").json(message);
    if let Some(secret) = secret {
        request = request.bearer_auth(secret);
    }
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    request.send().await.expect("an answer")
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
    let agent = Session::open(&guarded, Some("reader-of-llm-events")).await;
    agent.call("publish_llm_prompt", json!({ "provider": "x", "prompt": "y" })).await.expect("published");
    let refused = async |tool: &str, arguments: Value| agent.call(tool, arguments).await.expect_err("refused");
    let said = refused("publish_llm_response", json!({ "provider": "x", "response": "y" })).await;
    assert!(said.contains("may not publish `llm.response`"), "{said}");
    let said = refused("trace_event", json!({ "event_id": "11111111-2222-4333-8444-555555555555" })).await;
    assert!(said.contains("may not read every event"), "{said}");
    let unknown = json!({ "key": "llm.prompt", "payload": { "provider": "x", "prompt": "y" }, "dry_run": true });
    let said = refused("publish_event", unknown).await;
    assert!(said.contains("at \"/dry_run\": is no argument of this tool"), "{said}");
    let said = refused("list_events", json!({ "kind": "facts" })).await;
    assert!(said.contains("is none of `fact`, `command` and `failure`"), "{said}");
}

#[tokio::test]
async fn the_sessions_of_a_token_are_limited_and_its_own() {
    let tokens = r##"token = [
        { name = "a", secret = "secret-of-agent-a-1", read = ["#"] },
        { name = "b", secret = "secret-of-agent-b-1", read = ["#"] },
    ]"##;
    let gateway = serve_with(Bus::embedded(), |builder| {
        builder.tokens(Tokens::from_toml(tokens).unwrap()).limits(Limits::default().mcp_sessions(3))
    })
    .await;
    let (a, b) = (Some("secret-of-agent-a-1"), Some("secret-of-agent-b-1"));
    let first = Session::open(&gateway, a).await;
    let (_second, _third) = (Session::open(&gateway, a).await, Session::open(&gateway, a).await);
    for _ in 0..3 {
        let refused = Session::ask(&gateway, a).await;
        assert_eq!(
            (refused.status(), refused.headers()["retry-after"].as_bytes()),
            (StatusCode::SERVICE_UNAVAILABLE, &b"1"[..])
        );
    }
    let other = Session::open(&gateway, b).await;
    other.call("list_events", json!({})).await.expect("listed");

    // The session of one token is none for another.
    let stolen = Session { secret: b, id: first.id.clone(), gateway: &gateway };
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    assert_eq!(send(&gateway, b, Some(&stolen.id), &list).await.status(), StatusCode::NOT_FOUND);
    let request = gateway.get("/mcp").bearer_auth(b.unwrap()).header("mcp-session-id", &stolen.id);
    assert_eq!(json_of(request.header("accept", "text/event-stream")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(stolen.end().await, StatusCode::NOT_FOUND);
    first.call("list_events", json!({})).await.expect("it is still there");

    assert!(first.end().await.is_success());
    let again = Session::ask(&gateway, a).await;
    assert_eq!(again.status(), StatusCode::OK, "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_takes_long_is_not_executed_twice() {
    for bus in buses().await {
        let go = Arc::new(Notify::new());
        let agents = App::new("agents", bus.clone())
            .state(Agents::new(Patient(Arc::clone(&go))))
            .state(FirefliesApi::default())
            .commands(CommandManager::linked());
        let app = agents.start().await.unwrap();
        let gateway = serve_with(bus, |builder| builder).await;
        let agent = Session::open(&gateway, None).await;
        let command = json!({ "key": "agent.thread.prompt", "payload": *PROMPT, "timeout_seconds": 1 });
        let (result, progress) = agent.call_with_progress("execute_command", command).await;
        let result = result.expect("no error");
        assert_eq!(result["status"], "running", "{result}");
        assert!(result["remedy"].as_str().unwrap().contains("ask again with `command_status`"), "{result}");
        assert_eq!(progress[0]["params"]["progressToken"], "p", "{progress:?}");
        let id = &result["event_id"];
        assert!(progress[0]["params"]["message"].as_str().unwrap().contains(id.as_str().unwrap()), "{progress:?}");
        let state = agent.call("command_status", json!({ "event_id": id })).await.expect("known");
        assert!(state["status"] == "accepted" && state["remedy"].is_string(), "{state}");
        go.notify_one();
        let state = agent.call("command_status", json!({ "event_id": id, "wait_seconds": 30 })).await.expect("known");
        assert_eq!((&state["status"], &state["failures"]), (&json!("failed"), &json!(1)), "{state}");
        let unknown = agent.call("command_status", json!({ "event_id": Uuid::new_v4() })).await.expect_err("unknown");
        assert!(unknown.contains("no command with the id"), "{unknown}");

        // A failure in time is an error that the agent can read.
        go.notify_one();
        let command = json!({ "key": "agent.thread.prompt", "payload": *PROMPT, "timeout_seconds": 30 });
        let failed = agent.call("execute_command", command).await.expect_err("it says no");
        assert!(failed.contains("it says no"), "{failed}");
        app.shutdown().await.unwrap();
    }
}
