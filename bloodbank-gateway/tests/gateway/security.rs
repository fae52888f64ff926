//! Tokens, origins, limits and timeouts.

use std::time::{Duration, Instant};

use bloodbank_core::Bus;
use bloodbank_gateway::{Gateway, Limits, ServeOptions, Server, Tokens};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    mcp::Session,
    streams::Events,
    support::{PROMPT, Served, json_of, serve, serve_with},
};

const TOKENS: &str = r##"
    token = [
        { name = "n8n", secret = "n8n-secret-0123456789", publish = ["llm.*"], read = ["llm.#"] },
        { name = "admin", secret = "admin-secret-0123456789", publish = ["#"], read = ["#"] },
    ]"##;

async fn guarded() -> Served {
    serve_with(Bus::embedded(), |builder| builder.tokens(Tokens::from_toml(TOKENS).expect("tokens"))).await
}

#[tokio::test]
async fn an_address_that_others_reach_needs_tokens() {
    let bind = |insecure, tokens: Tokens| async move {
        let gateway = Gateway::builder(Bus::embedded()).tokens(tokens).build();
        Server::bind(gateway, ServeOptions::on("0.0.0.0", 0).insecure(insecure)).await
    };
    let refusal = bind(false, Tokens::default()).await.unwrap_err().to_string();
    assert!(refusal.contains("BLOODBANK_TOKENS_FILE") && refusal.contains("--insecure"), "{refusal}");
    assert!(bind(true, Tokens::default()).await.is_ok());
    assert!(bind(false, Tokens::from_toml(TOKENS).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_token_may_do_what_its_patterns_say() {
    let gateway = guarded().await;
    let response = gateway.post("/events/llm/prompt").json(&*PROMPT).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer, Basic realm=\"bloodbank\"");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for wrong in ["Bearer n8n-secret-012345678", "Bearer", "Basic n8n-secret-0123456789", "Bearer  x"] {
        let request = gateway.post("/events/llm/prompt").header("authorization", wrong).json(&*PROMPT);
        assert_eq!(json_of(request).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let n8n = |path: &str| gateway.post(path).bearer_auth("n8n-secret-0123456789");
    let (status, envelope) = json_of(n8n("/events/llm/prompt").json(&*PROMPT)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(envelope["source"]["meta"]["client"], "n8n");
    let id = envelope["event_id"].as_str().unwrap();

    let forbidden = json!({ "event_type": "agent.thread.prompt", "payload": *PROMPT });
    assert_eq!(json_of(n8n("/events/agent/thread/prompt").json(&*PROMPT)).await.0, StatusCode::FORBIDDEN);
    assert_eq!(json_of(n8n("/events/custom").json(&forbidden)).await.0, StatusCode::FORBIDDEN);
    let batch = n8n("/events/batch").header("content-type", "application/x-ndjson").body(forbidden.to_string());
    assert!(batch.send().await.unwrap().text().await.unwrap().contains("\"status\":403"));

    let dump = format!("/debug/correlation/{id}");
    assert_eq!(json_of(gateway.get(&dump).bearer_auth("n8n-secret-0123456789")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(json_of(gateway.get(&dump).bearer_auth("admin-secret-0123456789")).await.0, StatusCode::OK);
    assert_eq!(json_of(gateway.get("/registry/events")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(gateway.get("/healthz")).await.0, StatusCode::OK, "a probe has no token");
}

#[tokio::test]
async fn a_token_is_also_a_password() {
    let gateway = guarded().await;
    let ask = |user: &str, password: &str| {
        gateway.get("/registry/events").basic_auth(user.to_owned(), Some(password.to_owned()))
    };
    for user in ["n8n", "", "anybody"] {
        assert_eq!(json_of(ask(user, "n8n-secret-0123456789")).await.0, StatusCode::OK, "{user}");
    }
    assert_eq!(json_of(ask("n8n-secret-0123456789", "")).await.0, StatusCode::UNAUTHORIZED);
    for wrong in ["Basic", "Basic !", "Basic bjhu", "Basic //79"] {
        let request = gateway.get("/registry/events").header("authorization", wrong);
        assert_eq!(json_of(request).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test]
async fn tokens_change_while_the_gateway_serves() {
    let gateway = guarded().await;
    let ask = async |secret: &str| json_of(gateway.get("/registry/events").bearer_auth(secret)).await.0;
    assert_eq!(ask("n8n-secret-0123456789").await, StatusCode::OK);
    let new = r#"token = [{ name = "n8n", secrets = ["n8n-secret-of-tomorrow", "n8n-secret-0123456789"] }]"#;
    gateway.gateway.tokens().replace(&Tokens::from_toml(new).unwrap()).unwrap();
    for secret in ["n8n-secret-of-tomorrow", "n8n-secret-0123456789"] {
        assert_eq!(ask(secret).await, StatusCode::OK, "both are good while clients change");
    }
    assert_eq!(ask("admin-secret-0123456789").await, StatusCode::UNAUTHORIZED, "it is gone");
    let past = r#"token = [{ name = "n8n", secret = "n8n-secret-of-tomorrow", expires = 2020-01-01T00:00:00Z }]"#;
    gateway.gateway.tokens().replace(&Tokens::from_toml(past).unwrap()).unwrap();
    assert_eq!(ask("n8n-secret-of-tomorrow").await, StatusCode::UNAUTHORIZED, "its time is over");
    assert!(gateway.gateway.tokens().replace(&Tokens::default()).is_err(), "that would open the gateway to everybody");
}

#[tokio::test]
async fn a_request_with_two_hosts_or_a_compressed_body_is_refused() {
    let gateway = serve().await;
    let mut connection = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("more than one `Host`"), "{answer}");
    for path in ["/events/llm/prompt", "/events/custom", "/mcp"] {
        let request = gateway.post(path).header("content-encoding", "gzip").json(&*PROMPT);
        let (status, problem) = json_of(request).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}: {problem}");
    }
    let request = gateway.post("/events/llm/prompt").header("content-encoding", "identity").json(&*PROMPT);
    assert_eq!(json_of(request).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_id_of_a_request_comes_back() {
    let gateway = serve().await;
    for path in ["/healthz", "/nowhere", "/events/stream?patern=x"] {
        let answer = gateway.get(path).header("x-request-id", "abc-7").send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"], "abc-7", "{path}");
    }
    let answer = gateway.get("/healthz").header("x-request-id", "x".repeat(2000)).send().await.unwrap();
    assert!(answer.headers().get("x-request-id").is_none_or(|id| id.len() < 200));
}

#[tokio::test]
async fn the_name_of_the_token_stays_in_the_source_and_a_token_may_be_bound_to_one() {
    let tokens = r##"token = [
        { name = "free", secret = "free-secret-0123456789", publish = ["#"] },
        { name = "reader", secret = "reader-secret-0123456789", read = ["#"] },
        { name = "bound", secret = "bound-secret-0123456789", publish = ["#"], source = "n8n" },
    ]"##;
    let gateway =
        serve_with(Bus::embedded(), |builder| builder.tokens(Tokens::from_toml(tokens).expect("tokens"))).await;
    let reader = "/events/stream?pattern=llm.%23";
    let mut live = Events::of(gateway.get(reader).bearer_auth("reader-secret-0123456789")).await;
    let event = json!({ "event_type": "llm.prompt", "payload": *PROMPT });
    let said = |app: &str| {
        let mut event = event.clone();
        event["source"] =
            json!({ "host": "h", "type": "manual", "app": app, "meta": { "client": "admin", "more": 1 } });
        event
    };
    let cloud = |source: &str| json!({ "specversion": "1.0", "id": "1", "source": source, "type": "llm.prompt", "data": *PROMPT });
    let post = |secret: &str, path: &str, media_type: &str, body: &Value| {
        let request = gateway.post(path).bearer_auth(secret).header("content-type", media_type);
        request.body(body.to_string()).send()
    };
    let (json, lines, cloud_event) = ("application/json", "application/x-ndjson", "application/cloudevents+json");
    for (name, secret) in [("free", "free-secret-0123456789"), ("bound", "bound-secret-0123456789")] {
        for (path, media_type, body) in [
            ("/events/llm/prompt", json, &*PROMPT),
            ("/events/custom", json, &event),
            ("/events/custom", json, &said("n8n")),
            ("/events/batch", lines, &said("n8n")),
            ("/events/custom", cloud_event, &cloud("n8n")),
            ("/events/llm/prompt", cloud_event, &cloud("n8n")),
        ] {
            let response = post(secret, path, media_type, body).await.unwrap();
            assert!(response.status().is_success(), "{path}: {}", response.text().await.unwrap());
            let (_, _, envelope) = live.next().await.unwrap();
            assert_eq!(envelope["source"]["meta"]["client"], name, "{path} {media_type}: {envelope}");
            let is_said = *body != *PROMPT && *body != event;
            assert!(
                envelope["source"]["app"] == "n8n" || (name == "free" && !is_said),
                "{path} {media_type}: {envelope}"
            );
        }
        let agent = Session::open(&gateway, Some(secret)).await;
        agent.call("publish_event", json!({ "key": "llm.prompt", "payload": *PROMPT })).await.expect("published");
        let (_, _, envelope) = live.next().await.unwrap();
        assert_eq!(envelope["source"]["meta"]["client"], name, "{envelope}");
        assert_eq!(envelope["source"]["app"], if name == "bound" { "n8n" } else { "test-agent" }, "{envelope}");
    }
    for (path, media_type, body) in [
        ("/events/custom", json, &said("another")),
        ("/events/batch", lines, &said("another")),
        ("/events/custom", cloud_event, &cloud("another")),
    ] {
        let refused = post("bound-secret-0123456789", path, media_type, body).await.unwrap().text().await.unwrap();
        assert!(refused.contains("publishes only with the source `n8n`"), "{path}: {refused}");
        assert!(post("free-secret-0123456789", path, media_type, body).await.unwrap().status().is_success());
    }
}

#[tokio::test]
async fn pages_of_others_cannot_use_a_gateway_on_loopback() {
    let gateway = serve().await;
    let publish = || gateway.post("/events/llm/prompt").json(&*PROMPT);
    let own = gateway.url.clone();
    assert_eq!(json_of(publish().header("origin", own)).await.0, StatusCode::ACCEPTED);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(json_of(publish().header("origin", origin)).await.0, StatusCode::FORBIDDEN, "{origin}");
    }
    let rebound = publish().header("host", "evil.example");
    assert_eq!(json_of(rebound).await.0, StatusCode::FORBIDDEN);
    let response = gateway.get("/healthz").send().await.unwrap();
    assert!(response.headers().get("access-control-allow-origin").is_none(), "CORS is off");

    let trusting = serve_with(Bus::embedded(), |builder| builder.allow_origin("https://app.example")).await;
    let request = trusting.get("/healthz").header("origin", "https://app.example");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn what_is_over_the_limit_is_shed() {
    let limits = Limits::default().concurrency(1);
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    // A request whose body does not end holds the only place.
    let mut slow = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /events/llm/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let response = loop {
        let response = gateway.get("/registry/events").send().await.unwrap();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE || Instant::now() > deadline {
            break response;
        }
    };
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    drop(slow);
    while gateway.get("/registry/events").send().await.unwrap().status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the place is free again");
    }
}

#[tokio::test]
async fn a_client_that_dribbles_is_cut_off() {
    let limits = Limits::default().header_time(Duration::from_millis(300)).request_time(Duration::from_millis(300));
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let cut = |begin: &'static str, drip: &'static [u8]| {
        let address = address.clone();
        async move {
            let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
            writer.write_all(begin.as_bytes()).await.unwrap();
            let dripping = tokio::spawn(async move {
                while writer.write_all(drip).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
            let mut answer = String::new();
            let read = tokio::time::timeout(Duration::from_secs(20), reader.read_to_string(&mut answer)).await;
            dripping.abort();
            assert!(read.is_ok(), "still open");
            answer
        }
    };
    let start = Instant::now();
    let headers = cut("GET /healthz HTTP/1.1\r\nHost: localhost\r\n", b"X-A: b\r\n").await;
    assert!(!headers.contains("200 OK"), "{headers}");
    let nothing = cut("", b"").await;
    assert!(!nothing.contains("200 OK"), "{nothing}");
    let body = "POST /events/llm/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{";
    let body = cut(body, b" ").await;
    assert!(body.contains("408 Request Timeout") && body.contains("application/problem+json"), "{body}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(json_of(gateway.get("/healthz")).await.0, StatusCode::OK, "others are served");
}

#[tokio::test]
async fn headers_without_number_and_without_end_are_refused() {
    let gateway = serve().await;
    let address = gateway.url.trim_start_matches("http://");
    for headers in ["X-A: b\r\n".repeat(200), format!("X-A: {}\r\n", "b".repeat(1024 * 1024))] {
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        // It may be refused before it is written.
        let writing = tokio::spawn(async move { writer.write_all(head.as_bytes()).await.map(|()| writer) });
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), reader.read_exact(&mut answer)).await;
        // Of a client that still writes, the connection may end before it sees the answer.
        let is_read = read.expect("an answer or an end").is_ok();
        assert!(is_read || headers.len() > 100_000, "no answer");
        assert!(!is_read || answer == *b"HTTP/1.1 431", "{}", String::from_utf8_lossy(&answer));
        writing.abort();
    }
    assert_eq!(json_of(gateway.get("/healthz")).await.0, StatusCode::OK, "others are served");
}

#[tokio::test]
async fn what_was_begun_is_answered_before_the_end() {
    let gateway = serve().await;
    let bus = gateway.bus.clone();
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let body = PROMPT.to_string();
    let mut slow = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /events/llm/prompt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&body.as_bytes()[..5]).await.unwrap();
    // The server has begun with it before it is told to stop: a later request on another connection is answered.
    assert_eq!(json_of(gateway.get("/healthz")).await.0, StatusCode::OK);
    let stopped = tokio::spawn(gateway.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    slow.write_all(&body.as_bytes()[5..]).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("202 Accepted"), "{answer}");
    stopped.await.unwrap();
    assert!(TcpStream::connect(&address).await.is_err(), "nobody listens any more");
    bus.close().await;
}
