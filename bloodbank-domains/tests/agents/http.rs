//! The provider `http` against a real server on a real socket.

use std::time::Duration;

use bloodbank_domains::agents::{Agents, Http, Limits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{ask, fails, prompt};

/// A request as the server received it.
struct Request {
    head: String,
    body: Value,
}

async fn read(connection: &mut TcpStream) -> Request {
    let mut bytes = Vec::new();
    let end = loop {
        assert_ne!(connection.read_buf(&mut bytes).await.unwrap(), 0, "the request is cut off");
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lower = head.to_ascii_lowercase();
    let length =
        lower.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse::<usize>().unwrap();
    while bytes.len() < end + length {
        assert_ne!(connection.read_buf(&mut bytes).await.unwrap(), 0, "the request is cut off");
    }
    Request { head, body: serde_json::from_slice(&bytes[end..]).unwrap() }
}

/// Answers one request, and tells what it was.
async fn server(status: &'static str, body: String) -> (String, JoinHandle<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let request = read(&mut connection).await;
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nlocation: http://127.0.0.1:1/\r\n\r\n");
        // The client may hang up on an answer that is too long.
        let _ = connection.write_all(head.as_bytes()).await;
        let _ = connection.write_all(body.as_bytes()).await;
        request
    });
    (url, request)
}

fn with_model() -> Limits {
    Limits::default().model("llama")
}

fn llama(url: &str) -> Http {
    Http::new(url).unwrap().limits(with_model())
}

fn completion(text: &str) -> String {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "llama-served",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    })
    .to_string()
}

#[tokio::test]
async fn the_prompt_is_posted_and_the_answer_says_what_it_cost() {
    let (url, request) = server("200 OK", completion("Event sourcing is…")).await;
    let http = llama(&url).key("sk-secret").unwrap();
    let answer = ask(Agents::new(http), prompt("Explain event sourcing")).await.unwrap();
    assert_eq!(answer.response, "Event sourcing is…");
    assert_eq!((answer.model.as_deref(), answer.tokens_used), (Some("llama-served"), Some(12)));
    let request = request.await.unwrap();
    assert!(request.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", request.head);
    assert!(request.head.contains("authorization: Bearer sk-secret\r\n"), "{}", request.head);
    let expected = json!({"model": "llama", "messages": [{"role": "user", "content": "Explain event sourcing"}]});
    assert_eq!(request.body, expected);
}

#[tokio::test]
async fn refusals_keep_their_status_and_say_whether_another_attempt_can_help() {
    let rate_limited = json!({"error": {"message": "rate limited", "type": "rate_limit"}}).to_string();
    let statuses = [
        ("429 Too Many Requests", "429", true),
        ("503 Service Unavailable", "503", true),
        ("401 Unauthorized", "401", false),
        ("302 Found", "302", false),
    ];
    for (status, code, is_retryable) in statuses {
        let (url, _request) = server(status, rate_limited.clone()).await;
        let failure = fails(Agents::new(llama(&url)), prompt("hi"), code).await;
        assert_eq!(failure.is_retryable, is_retryable, "{failure:?}");
        assert!(failure.error_message.ends_with("rate limited"), "{failure:?}");
    }
}

#[tokio::test]
async fn answers_that_are_none_are_failures() {
    for body in ["<html>", "{}", r#"{"choices": []}"#, r#"{"choices": [{"message": {"content": null}}]}"#] {
        let (url, _request) = server("200 OK", body.to_owned()).await;
        fails(Agents::new(llama(&url)), prompt("hi"), "BAD_ANSWER").await;
    }
    let (url, _request) = server("200 OK", completion(&"x".repeat(10_000))).await;
    let http = llama(&url).limits(with_model().max_output(5_000));
    fails(Agents::new(http), prompt("hi"), "TOO_LARGE").await;
}

#[tokio::test]
async fn nobody_there_or_nobody_answering_is_worth_another_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let silent = llama(&url).limits(with_model().timeout(Duration::from_millis(200)));
    let failure = fails(Agents::new(silent), prompt("hi"), "TIMEOUT").await;
    assert!(failure.is_retryable && failure.error_message.contains("200ms"), "{failure:?}");
    drop(listener);
    let failure = fails(Agents::new(llama(&url)), prompt("hi"), "UNREACHABLE").await;
    assert!(failure.is_retryable && !failure.error_message.contains("http://"), "{failure:?}");
    let failure = fails(Agents::new(Http::new(&url).unwrap()), prompt("hi"), "NO_MODEL").await;
    assert!(failure.error_message.contains("BLOODBANK_AGENT_MODEL"), "{failure:?}");
}

#[test]
fn addresses_with_passwords_or_of_other_kinds_are_refused() {
    for url in ["localhost:11434", "file:///etc/passwd", "http://me:hunter2@host/v1", "ftp://host", ""] {
        let error = Http::new(url).map(|_| ()).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(Http::new("https://api.example.com/v1").is_ok(), cfg!(feature = "http-tls"));
    assert!(Http::new("http://localhost:11434/v1/").is_ok());
}
