//! `serve` with its file, and the verbs that find it.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Running, bb, command, example, fails, out};
use serde_json::{Value, json};

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
    let history = out(shop(&["history", "orders.#", "--json"]));
    let keys = |text: &str| -> Vec<String> {
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| event["event_type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&history), ["orders.order.placed", "orders.order.shipped"]);
    assert_eq!(keys(&out(shop(&["history", "--caused-by", id, "--from", "0", "--json"]))), ["orders.order.shipped"]);
    assert_eq!(keys(&out(shop(&["history", "--all", "-n", "1", "--json"]))), ["orders.order.placed"]);
    let reply: Value =
        serde_json::from_str(&out(shop(&["publish", "stock.article.count", "--set", "sku=A-1", "--wait"]))).unwrap();
    assert_eq!(reply["payload"], json!({"sku": "A-1", "left": 3}));
    // Checked here as well as there: a fault has its place.
    let error = fails(shop(&["publish", "orders.order.placed", "--set", "order_id=o"]), 2);
    assert!(error.contains("total_cents"), "{error}");

    let error = fails(shop(&["serve", "--port", "0"]), 1);
    assert!(error.contains("another process has it open; stop it, or set BLOODBANK_EMBEDDED_PATH"), "{error}");
    for verb in [&["topology", "diff"][..], &["topology", "declare"], &["work"]] {
        let error = fails(shop(verb), 1);
        assert!(error.contains("the gateway at http://127.0.0.1:") && error.contains("stop it first"), "{error}");
    }
    assert!(out(shop(&["topology"])).contains("shop.ship"), "what needs no bus is there");

    let findings: Vec<Value> = serde_json::from_str(&out(shop(&["doctor", "--json"]))).unwrap();
    let says = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap()["says"].as_str().unwrap();
    assert!(says("bus").contains("the gateway at http://127.0.0.1:"), "{findings:?}");
    assert!(says("clock").contains("that of the gateway agrees"), "{findings:?}");

    // What happened before comes first.
    let since = Running::start(shop(&["tail", "orders.#", "--since", "1h", "-n", "3"]));
    assert!(since.line("orders.order.placed").contains(id));
    since.line("orders.order.shipped");
    let next = out(shop(&["publish", "orders.order.shipped", "--mock", "--json"]));
    let next: Value = serde_json::from_str(&next).unwrap();
    assert!(since.line("orders.order.shipped").contains(next["event_id"].as_str().unwrap()));

    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    // Now straight to the file, where everything is.
    assert!(out(shop(&["tail"])).contains(id));
}

#[test]
fn a_service_says_where_it_is_and_what_went_wrong_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = shop(folder.path(), &["serve", "--port", "0"]);
    serve.env("BLOODBANK_LOG_FORMAT", "json");
    let serve = Running::start(serve);
    let line = |part: &str| serde_json::from_str::<Value>(&serve.line(part)).unwrap();
    let first = line("lost when this process ends");
    assert_eq!((&first["level"], &first["bus"]), (&json!("INFO"), &json!("embedded")), "{first}");
    assert_eq!(first["message"], "lost when this process ends: large payloads", "{first}");
    serve.line("/docs");
    let args = ["publish", "orders.order.placed", "--set", "order_id=o-1", "--set", "total_cents=0", "--json"];
    let published: Value = serde_json::from_str(&out(shop(folder.path(), &args))).unwrap();
    let gave_up = line("gave up");
    assert_eq!((&gave_up["level"], &gave_up["queue"]), (&json!("ERROR"), &json!("shop.ship")), "{gave_up}");
    assert_eq!((&gave_up["key"], &gave_up["event_id"]), (&json!("orders.order.placed"), &published["event_id"]));

    let mut unknown = shop(folder.path(), &["serve"]);
    unknown.env("BLOODBANK_LOG_FORMAT", "xml");
    let error = fails(unknown, 2);
    assert!(
        error.contains("BLOODBANK_LOG_FORMAT in the environment is \"xml\"; it must be `compact` or `json`"),
        "{error}"
    );
}

#[test]
fn dead_letters_behind_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| shop(folder.path(), args);
    let serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let none = out(shop(&["dlq", "list"]));
    assert!(none.contains("no dead letters: looked at") && none.contains("shop.ship.dlq"), "{none}");
    let ids: Vec<String> = ["order_id=o-1", "order_id=o-2"]
        .map(|order| {
            let args = ["publish", "orders.order.placed", "--set", order, "--set", "total_cents=0", "--json"];
            let published: Value = serde_json::from_str(&out(shop(&args))).unwrap();
            let line = serve.line("gave up");
            assert!(!line.contains('\u{1b}'), "colours are for terminals: {line:?}");
            published["event_id"].as_str().unwrap().to_owned()
        })
        .into();
    let list = out(shop(&["dlq", "list"]));
    assert!(list.starts_with("shop.ship.dlq  2\n") && ids.iter().all(|id| list.contains(id)), "{list}");
    let letters: Vec<Value> = serde_json::from_str(&out(shop(&["dlq", "list", "-n", "1", "--json"]))).unwrap();
    assert_eq!((letters.len(), &letters[0]["readable"]), (1, &json!(true)));
    assert!(letters[0].get("message").is_none(), "a list is short");
    assert!(out(shop(&["dlq", "list", "--type", "stock.#"])).contains("no dead letters"));
    let shown = out(shop(&["dlq", "show", &ids[0]]));
    assert!(shown.contains("\"total_cents\": 0") && shown.contains("readable: this program reads it"), "{shown}");

    let error = fails(shop(&["dlq", "list", "--queue", "nobody.listens"]), 1);
    assert!(error.contains("no subscriber has a queue `nobody.listens`"), "{error}");
    let error = fails(shop(&["dlq", "redrive"]), 2);
    assert!(error.contains("--all"), "{error}");
    let error = fails(shop(&["dlq", "discard", "--error", ""]), 2);
    assert!(error.contains("--error is empty"), "{error}");
    let dry = out(shop(&["dlq", "redrive", "--all", "--dry-run"]));
    assert!(dry.contains("2 would be redriven") && dry.contains(&ids[1]), "{dry}");
    assert!(out(shop(&["dlq", "redrive", "--id", &ids[0]])).contains("1 redriven"));
    serve.line("gave up");
    let discarded: Value = serde_json::from_str(&out(shop(&["dlq", "discard", "--all", "--json"]))).unwrap();
    assert_eq!(discarded, json!({"dry_run": false, "done": 2, "failed": [], "interrupted": []}));
    assert!(out(shop(&["dlq", "list"])).starts_with("no dead letters: "));
    // A program that knows nothing of the shop sees its queues and what they gave up.
    out(shop(&["publish", "orders.order.placed", "--set", "order_id=o-3", "--set", "total_cents=0"]));
    serve.line("gave up");
    let bb = |args: &[&str]| {
        let mut bb = bb(folder.path(), args);
        bb.env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
        bb
    };
    let queues: Vec<Value> = serde_json::from_str(&out(bb(&["queues", "--json"]))).unwrap();
    let ship = queues.iter().find(|queue| queue["name"] == "shop.ship").unwrap();
    assert_eq!((&ship["consumers"], &ship["waiting"], &ship["dead_letters"]), (&json!(1), &json!(0), &json!(1)));
    assert!(out(bb(&["queues"])).contains("shop.ship"));
    let one = out(bb(&["queues", "shop.ship"]));
    assert!(one.contains("shop.ship") && !one.contains("stock"), "{one}");
    assert!(fails(bb(&["queues", "nobody.listens"]), 1).contains("there is no queue `nobody.listens`"));
    let listed = bb(&["dlq", "list"]).output().unwrap();
    let note = String::from_utf8(listed.stderr).unwrap();
    assert!(note.contains("1 more dead letters lie in 1 queue that is not of this program"), "{note}");
    let everywhere = out(bb(&["dlq", "list", "--everywhere"]));
    assert!(everywhere.contains("shop.ship.dlq  1"), "{everywhere}");
    assert!(out(bb(&["dlq", "discard", "--all", "--everywhere"])).contains("1 discarded"));
}

#[test]
fn the_workers_of_serve_are_seen_by_probes() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Running::start(shop(folder.path(), &["serve", "--port", "0"]));
    let docs = serve.line("/docs");
    let address = docs.split("http://").nth(1).unwrap().split('/').next().unwrap();
    let ready = get(address, "/readyz");
    for part in ["\"shop.ship\"", "\"status\":\"ok\"", "stock.article.count"] {
        assert!(ready.contains(part), "{ready} lacks {part}");
    }
    drop(serve);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut work = shop(folder.path(), &["work"]);
    let work = Running::start({
        work.env("BLOODBANK_PROBES", format!("127.0.0.1:{port}"));
        work
    });
    work.line("working");
    let address = format!("127.0.0.1:{port}");
    assert!(get(&address, "/readyz").contains("shop.ship"));
    assert!(get(&address, "/healthz").contains("healthy"));
    assert!(get(&address, "/metrics").contains("200 OK"));
}

/// The answer to a request, head and body.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    std::io::read_to_string(stream).unwrap()
}

#[test]
fn a_clock_that_differs_from_the_gateways_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gateway.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in gateway.incoming().map_while(Result::ok) {
            let mut connection = BufReader::new(connection);
            let mut line = String::new();
            while connection.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let answer = "HTTP/1.1 200 OK\r\ndate: Wed, 01 Jan 2025 00:00:00 GMT\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            let _ = connection.get_mut().write_all(answer.as_bytes());
        }
    });
    std::fs::write(folder.path().join("bus.db-gateway"), json!({"url": url, "process": 1}).to_string()).unwrap();
    let doctor = out(shop(folder.path(), &["doctor"]));
    let clock = doctor.lines().find(|line| line.contains("clock")).unwrap();
    assert!(clock.starts_with("warning") && clock.contains("behind: set the clocks"), "{clock}");
}

#[test]
fn agents_that_are_run_do_not_see_what_services_know() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("bloodbank.toml"),
        "bloodbank_token = \"sixteen-letters-at-least\"\nbloodbank_agent = \"exec\"\nbloodbank_agent_command = \"env\"\nbloodbank_agent_directory = \".\"\nservice_name = \"agents\"\n",
    )
    .unwrap();
    let bb = |args: &[&str]| {
        let mut bb = bb(folder.path(), args);
        bb.env("GITHUB_WEBHOOK_SECRET", "hush").env("KEPT", "yes");
        bb
    };
    let serve = Running::start(bb(&["serve", "--port", "0"]));
    let line = serve.line("/docs");
    // A token in a file is asked for as one in the environment is.
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once("/docs")).unwrap().0;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /registry/domains HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.contains(" 401 "), "{answer}");
    let seen = out(bb(&["publish-prompt", "me", "what do you see?", "--wait"]));
    assert!(seen.contains("KEPT=yes"), "{seen}");
    assert!(!seen.contains("sixteen-letters") && !seen.contains("hush"), "{seen}");
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
    assert!(serve.line("bus      ").ends_with("bloodbank/bus.db"));
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
    let published = speak_mcp(folder.path(), &["mcp", "--allow", "orders.#", "--allow", "stock.article.count"], true);
    let trace = out(shop(folder.path(), &["trace", &published]));
    assert!(trace.contains("└─ orders.order.shipped"), "{trace}");
    let error = fails(shop(folder.path(), &["mcp", "--allow", "Orders.#"]), 2);
    assert!(error.contains("Orders.#"), "{error}");
    // Beside a gateway the same tools are there, through it.
    let serve = Running::start(shop(folder.path(), &["serve", "--port", "0"]));
    serve.line("/docs");
    speak_mcp(folder.path(), &["mcp", "--allow", "orders.#", "--allow", "stock.article.count"], true);
    let published = speak_mcp(folder.path(), &["mcp"], false);
    let trace = out(shop(folder.path(), &["trace", &published, "--limit", "1"]));
    assert!(trace.contains("there is more than is shown"), "{trace}");
}

#[test]
fn an_agent_is_given_no_bus_that_nobody_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| {
        let mut shop = shop(folder.path(), args);
        shop.env_remove("BLOODBANK_EMBEDDED_PATH").env("XDG_DATA_HOME", folder.path()).stdin(Stdio::null());
        shop
    };
    let error = fails(shop(&["mcp"]), 2);
    assert!(error.contains("would be lost with this process; start `serve`") && error.contains("--memory"), "{error}");
    let lost = shop(&["mcp", "--memory"]).output().unwrap();
    let note = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert!(note.contains("events go to a bus in memory, which ends with this process"), "{note}");
    let mut kept = shop(&["mcp"]);
    let kept = kept.env("BLOODBANK_EMBEDDED_PATH", "my.db").output().unwrap();
    let note = String::from_utf8_lossy(&kept.stderr).into_owned();
    assert!(note.contains("events go to the bus in my.db"), "{note}");
    let serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let through = shop(&["mcp"]).output().unwrap();
    let note = String::from_utf8_lossy(&through.stderr).into_owned();
    assert!(through.status.success() && note.contains("events go through the gateway at http://127"), "{note}");
}

#[test]
fn a_gateway_is_configured_by_settings() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens.toml");
    let token = |secret: &str| {
        std::fs::write(&tokens, format!("[[token]]\nname = \"a\"\nsecret = \"{secret}\"\npublish = [\"#\"]\n"))
            .unwrap();
    };
    token("the-first-secret-1");
    std::fs::write(folder.path().join("bloodbank.toml"), "bloodbank_http_body_bytes = 100\n").unwrap();
    let mut serve = shop(folder.path(), &["serve", "--port", "0"]);
    serve.env("BLOODBANK_TOKENS_FILE", &tokens).env("BLOODBANK_HTTP_ORIGINS", "https://app.example, https://b.example");
    serve.env("BLOODBANK_HTTP_PUBLIC_URL", "https://example.org/bus");
    let serve = Running::start(serve);
    let line = serve.line("gateway  http://");
    let address = line.split("http://").nth(1).unwrap().trim().to_owned();
    let ask = |head: &str, secret: &str, body: &str| {
        let mut connection = std::net::TcpStream::connect(&address).unwrap();
        write!(
            connection,
            "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: https://b.example\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut connection, &mut answer).unwrap();
        answer
    };
    let answer = ask("GET /openapi.json", "the-first-secret-1", "");
    assert!(answer.contains("\"url\":\"https://example.org/bus\""), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://b.example"), "{answer}");
    let long = "x".repeat(101);
    assert!(ask("POST /events/custom", "the-first-secret-1", &long).starts_with("HTTP/1.1 413"));

    token("the-second-secret-1");
    let process = serve.child.id().to_string();
    Command::new("kill").args(["-HUP", &process]).status().unwrap();
    serve.line("the tokens were read again");
    assert!(ask("GET /registry/events", "the-first-secret-1", "").starts_with("HTTP/1.1 401"));
    assert!(ask("GET /registry/events", "the-second-secret-1", "").starts_with("HTTP/1.1 200"));
    std::fs::write(&tokens, "[[token]]\n").unwrap();
    Command::new("kill").args(["-HUP", &process]).status().unwrap();
    serve.line("the tokens stay as they were");
    assert!(ask("GET /registry/events", "the-second-secret-1", "").starts_with("HTTP/1.1 200"));
    drop(serve);

    for (name, value, said) in [
        ("BLOODBANK_HTTP_STREAMS", "many", "BLOODBANK_HTTP_STREAMS"),
        ("BLOODBANK_HTTP_TLS_CERT", "cert.pem", "BLOODBANK_HTTP_TLS_KEY"),
    ] {
        let mut serve = shop(folder.path(), &["serve", "--port", "0"]);
        let wrong = serve.env(name, value).output().unwrap();
        let error = String::from_utf8_lossy(&wrong.stderr);
        assert!(!wrong.status.success() && error.contains(said), "{error}");
    }
}

/// Speaks MCP with a program; the id of the event that is published. `is_restricted`: not every event may be.
fn speak_mcp(folder: &Path, args: &[&str], is_restricted: bool) -> String {
    let mut mcp = shop(folder, args);
    let mut mcp = mcp.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut to = mcp.stdin.take().unwrap();
    let mut lines = BufReader::new(mcp.stdout.take().unwrap()).lines();
    let mut tell = |message: &Value| writeln!(to, "{message}").unwrap();
    let mut id = 0;
    let mut ask = |tell: &mut dyn FnMut(&Value), method: &str, params: Value| -> Value {
        id += 1;
        tell(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        answer["result"].clone()
    };
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let answer = ask(&mut tell, "initialize", hello);
    assert!(answer["capabilities"]["tools"].is_object(), "{answer}");
    tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let answer = ask(&mut tell, "tools/list", json!({}));
    let tools: Vec<_> = answer["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    for tool in ["publish_event", "list_events", "get_event_schema", "trace_event"] {
        assert!(tools.contains(&tool), "{tools:?}");
    }
    let mut call = |tool: &str, arguments: Value| {
        let result = ask(&mut tell, "tools/call", json!({"name": tool, "arguments": arguments}));
        (result["isError"].as_bool().unwrap_or(false), result)
    };
    let order = json!({"order_id": "o-1", "total_cents": 1});
    let (refused, published) = call("publish_event", json!({"key": "orders.order.placed", "payload": order}));
    assert!(!refused, "{published}");
    let counted = json!({"sku": "A-1", "left": 1});
    let (refused, result) = call("publish_event", json!({"key": "stock.article.counted", "payload": counted}));
    let said = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(refused, is_restricted, "{result}");
    assert!(!refused || said.contains("agents may not publish `stock.article.counted`"), "{result}");
    // The embedded bus is in this process alone, so this process executes.
    let (refused, result) = call(
        "execute_command",
        json!({"key": "stock.article.count", "payload": {"sku": "A-1"}, "timeout_seconds": 60}),
    );
    assert!(!refused && result["structuredContent"]["reply"]["payload"]["left"] == 3, "{result}");
    drop(to);
    assert!(mcp.wait().unwrap().success());
    published["structuredContent"]["event_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_watched_gateway_may_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let shop = |args: &[&str]| shop(folder.path(), args);
    let publish = || -> String {
        let receipt = out(shop(&["publish", "orders.order.shipped", "--mock", "--json"]));
        let receipt: Value = serde_json::from_str(&receipt).unwrap();
        receipt["event_id"].as_str().unwrap().to_owned()
    };
    let mut serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let mut tail = Running::start(shop(&["tail", "orders.#", "-n", "3"]));
    tail.line("through http://");
    let first = publish();
    assert!(tail.line("orders.order.shipped").contains(&first));
    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    // Straight into the file, while nobody serves it.
    let second = publish();
    let serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let [back, event] = tail.both(["is back at http://", "orders.order.shipped"]);
    assert!(back.contains("no event was missed") && event.contains(&second), "{back} {event}");
    let third = publish();
    assert!(tail.line("orders.order.shipped").contains(&third));
    assert_eq!(tail.code(), Some(0));
}
