//! Tokens, origins, limits and timeouts.

use std::time::{Duration, Instant};

use bloodbank_core::Bus;
use bloodbank_gateway::{Gateway, Limits, ServeOptions, Server, Tokens};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PROMPT, Served, json_of, serve, serve_with};

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
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
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
