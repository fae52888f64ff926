//! `serve` with its file, and the verbs that find it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::{Running, bb, command, example, fails, out};

fn shop(folder: &Path, args: &[&str]) -> Command {
    let mut command = command(example("shop"), folder, args);
    command.env("SERVICE_NAME", "shop").env("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db"));
    command
}

#[test]
fn the_other_verbs_go_through_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| shop(folder.path(), args);
    let mut serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let tail = Running::start(shop(&["tail", "orders.#", "-n", "2"]));
    tail.line("through http://127.0.0.1:");
    let published: Value =
        serde_json::from_str(&out(shop(&["publish", "orders.order.placed", "--mock", "--json"]))).unwrap();
    assert_eq!(published["unrouted"], false);
    let id = published["event_id"].as_str().unwrap();
    assert!(tail.line("orders.order.placed").contains(id));
    tail.line("orders.order.shipped");
    let trace = out(shop(&["trace", id]));
    assert!(trace.contains("└─ orders.order.shipped"), "{trace}");
    let reply: Value =
        serde_json::from_str(&out(shop(&["publish", "stock.article.count", "--set", "sku=A-1", "--wait"]))).unwrap();
    assert_eq!(reply["payload"], json!({"sku": "A-1", "left": 3}));
    // Checked here as well as there: a fault has its place.
    let error = fails(shop(&["publish", "orders.order.placed", "--set", "order_id=o"]), 2);
    assert!(error.contains("total_cents"), "{error}");

    let error = fails(shop(&["serve", "--port", "0"]), 1);
    assert!(error.contains("another process has it open; stop it, or set BLOODBANK_EMBEDDED_PATH"), "{error}");
    let error = fails(shop(&["mcp"]), 1);
    assert!(error.contains("/mcp"), "{error}");

    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    // Now straight to the file, where everything is.
    assert!(out(shop(&["tail"])).contains(id));
}

#[test]
fn a_killed_gateway_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Running::start(shop(folder.path(), &["serve", "--port", "0"]));
    serve.line("/docs");
    serve.signal("KILL");
    serve.code();
    out(shop(folder.path(), &["publish", "orders.order.placed", "--mock"]));
    let error = fails(shop(folder.path(), &["publish", "orders.order.placed", "--mock", "--via", "http"]), 1);
    assert!(error.contains("no gateway answers"), "{error}");
}

#[test]
fn without_settings_the_bus_is_a_file_of_the_user_and_prompts_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = bb(folder.path(), &["serve", "--port", "0"]);
    serve.env("BLOODBANK_AGENT", "echo");
    let serve = Running::start(serve);
    assert!(serve.line("bus").ends_with("bloodbank/bus.db"));
    serve.line("/docs");
    let project = folder.path().join("garden");
    std::fs::create_dir_all(project.join(".git")).unwrap();
    let ask = |args: &[&str]| {
        let mut ask = bb(folder.path(), args);
        ask.current_dir(&project);
        out(ask)
    };
    assert!(ask(&["publish_prompt", "me", "why?", "--wait"]).contains("why?"));
    let published: Value = serde_json::from_str(&ask(&["publish-prompt", "me", "m-1", "why?", "--json"])).unwrap();
    assert_eq!(published["event_type"], "agent.thread.prompt");
    let mut serve = serve;
    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    let mut tail = bb(folder.path(), &["tail", "agent.thread.prompt", "--json"]);
    tail.env("BLOODBANK_EMBEDDED_PATH", folder.path().join(".local/share/bloodbank/bus.db"));
    let prompts: Vec<Value> = out(tail).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let payload = &prompts.last().unwrap()["payload"];
    assert_eq!(
        (&payload["project"], &payload["model"], &payload["tags"]),
        (&json!("garden"), &json!("m-1"), &json!(["cli"]))
    );
}

#[test]
fn an_agent_speaks_mcp_over_stdio() {
    let folder = tempfile::tempdir().unwrap();
    let mut mcp = shop(folder.path(), &["mcp", "--allow", "orders.#"]);
    let mut mcp = mcp.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut to = mcp.stdin.take().unwrap();
    let mut lines = BufReader::new(mcp.stdout.take().unwrap()).lines();
    let mut ask = |message: Value| writeln!(to, "{message}").unwrap();
    ask(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}));
    let answer: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(answer["result"]["capabilities"]["tools"].is_object(), "{answer}");
    ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let answer: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let tools: Vec<_> =
        answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for tool in ["publish_event", "list_events", "get_event_schema", "trace_event"] {
        assert!(tools.contains(&tool), "{tools:?}");
    }
    drop(to);
    assert!(mcp.wait().unwrap().success());
}
