//! HTTPS, and HTTP/2.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bloodbank_core::Bus;
use bloodbank_gateway::{Gateway, Limits, ServeOptions, Server, Tls};
use futures_util::future::join_all;
use reqwest::{Certificate, Client, StatusCode, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PROMPT, serve, serve_with};

#[tokio::test]
async fn a_gateway_with_a_certificate_serves_https_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();

    let tls = Tls::from_files(&certificate, &key).unwrap();
    let gateway = Gateway::builder(Bus::embedded()).build();
    let server = Server::bind(gateway, ServeOptions::on("127.0.0.1", 0).tls(tls)).await.unwrap();
    let port = server.address().port();
    let running = tokio::spawn(server.run());
    let trusted = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = || Client::builder().tls_certs_only([trusted.clone()]);
    for (client, version) in [(client(), Version::HTTP_2), (client().http1_only(), Version::HTTP_11)] {
        let request = client.build().unwrap().get(format!("https://localhost:{port}/healthz"));
        let response = request.send().await.unwrap();
        assert!(response.status().is_success());
        assert_eq!(response.version(), version, "as the client can");
    }
    // A client that says nothing, and one that breaks off the handshake, stop nobody.
    let mut silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    silent.write_all(&[0x16, 3, 1]).await.unwrap();
    assert!(Client::new().get(format!("http://localhost:{port}/healthz")).send().await.is_err());
    running.abort();
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let error = Tls::from_files(Path::new("Cargo.toml"), Path::new("nowhere.pem")).unwrap_err().to_string();
    assert!(error.contains("Cargo.toml") || error.contains("nowhere.pem"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_share_a_connection_of_http_2() {
    let gateway = serve().await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/events/llm/prompt", gateway.url);
    let publish = || async {
        let response = client.post(&url).json(&*PROMPT).send().await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::ACCEPTED, Version::HTTP_2));
    };
    join_all((0..500).map(|_| publish())).await;
    // The host of HTTP/2 is no header, and is checked all the same.
    let rebound = client.get(format!("{}/healthz", gateway.url)).header("origin", "https://evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::FORBIDDEN);

    let stream = client.get(format!("{}/events/stream", gateway.url)).send().await.unwrap();
    gateway.stop().await;
    assert!(stream.text().await.unwrap().contains(": subscribed"), "the stream ended as it should");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_http_2_too() {
    let limits = Limits::default().concurrency(1).request_time(Duration::from_secs(2));
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/events/llm/prompt", gateway.url);
    let long = "x".repeat(100_000);
    let refused = client.post(&url).header("x-long", long).json(&*PROMPT).send().await;
    assert!(refused.map_or(true, |response| response.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));

    // A body that does not end has the only place, until it is cut off.
    let endless = || {
        let body = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        client.post(&url).header("content-type", "application/json").body(body).send()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let slow = 'shed: loop {
        let slow = tokio::spawn(endless());
        while !slow.is_finished() {
            let other = client.get(format!("{}/registry/events", gateway.url)).send().await.unwrap();
            if other.status() == StatusCode::SERVICE_UNAVAILABLE {
                break 'shed slow;
            }
        }
        // The other one came first, and had the only place.
        assert!(Instant::now() < deadline, "one too many was not shed");
    };
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::REQUEST_TIMEOUT);

    // At another one: a client that is late for a moment is to be answered above.
    let limits = Limits::default().header_time(Duration::from_millis(300));
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    // Half of what begins HTTP/2, and all of it, from clients that then say nothing.
    for begin in ["PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut silent = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
        silent.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "{begin:?}: still open");
    }
}
