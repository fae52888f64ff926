//! HTTPS.

use std::path::Path;

use bloodbank_core::Bus;
use bloodbank_gateway::{Gateway, ServeOptions, Server, Tls};
use reqwest::{Certificate, Client};

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
    let client = Client::builder().tls_certs_only([trusted]).build().unwrap();
    let response = client.get(format!("https://localhost:{port}/healthz")).send().await.unwrap();
    assert!(response.status().is_success());
    assert!(Client::new().get(format!("http://localhost:{port}/healthz")).send().await.is_err());
    running.abort();
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let error = Tls::from_files(Path::new("Cargo.toml"), Path::new("nowhere.pem")).unwrap_err().to_string();
    assert!(error.contains("Cargo.toml") || error.contains("nowhere.pem"), "{error}");
}
