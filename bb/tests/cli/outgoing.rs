//! `bb webhooks`, and that `serve` sends what it declares; the traces of a service.

use serde_json::Value;

use crate::{
    http_receiver::HttpReceiver,
    support::{Running, bb, command, example, fails, out},
};

#[test]
fn a_webhook_is_added_tried_sent_and_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = HttpReceiver::listen();
    let shop = |args: &[&str]| {
        let mut command = command(example("shop"), folder.path(), args);
        command.env("SERVICE_NAME", "shop").env("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db"));
        command.env("BLOODBANK_WEBHOOKS_FILE", "webhooks.toml");
        command
    };
    let error = fails(shop(&["webhooks", "add", "crm", &receiver.url, "orders.*.*"]), 2);
    assert!(error.contains("set `allow_private = true`"), "{error}");
    let secret = out(shop(&["webhooks", "add", "crm", &receiver.url, "orders.*.*", "--allow-private"]));
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert!(out(shop(&["webhooks", "list"])).starts_with("crm  orders.*.*  http://127.0.0.1:"));
    let listed = out(shop(&["webhooks", "list", "--json"]));
    assert!(!listed.contains("whsec_"), "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["enabled"]), (&"crm".into(), &true.into()));

    assert_eq!(out(shop(&["webhooks", "test", "crm"])), "crm answered 200\n");
    let tried: Value = serde_json::from_slice(&receiver.next("webhook-signature: v1,").body).unwrap();
    assert_eq!(tried["event_type"], "bloodbank.webhook.test");

    let mut serve = Running::start(shop(&["serve", "--port", "0"]));
    serve.line("/docs");
    let published = out(shop(&["publish", "orders.order.placed", "--mock", "--json"]));
    let published: Value = serde_json::from_str(&published).unwrap();
    let request = receiver.next(&format!("webhook-id: {}", published["event_id"].as_str().unwrap()));
    let envelope: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&envelope["event_type"], &envelope["event_id"]),
        (&"orders.order.placed".into(), &published["event_id"])
    );
    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));

    // Two secrets sign from now on.
    assert_ne!(out(shop(&["webhooks", "rotate", "crm"])), secret);
    out(shop(&["webhooks", "test", "crm"]));
    // What followed the order was sent as well, with one signature.
    let request = std::iter::repeat_with(|| receiver.next("webhook-signature"))
        .find(|request| String::from_utf8_lossy(&request.body).contains("bloodbank.webhook.test"))
        .unwrap();
    let signature = request.head.lines().find_map(|line| line.strip_prefix("webhook-signature: ")).unwrap();
    assert_eq!(signature.split(' ').count(), 2, "{signature}");

    out(shop(&["webhooks", "disable", "crm"]));
    assert!(out(shop(&["webhooks", "list"])).trim_end().ends_with("off"));
    out(shop(&["webhooks", "remove", "crm"]));
    assert!(out(shop(&["webhooks", "list"])).starts_with("nobody is told of events"));
    let error = fails(shop(&["webhooks", "enable", "crm"]), 2);
    assert!(error.contains("has no webhook `crm`; `bb webhooks list` shows all"), "{error}");
}

#[test]
fn without_a_file_the_setting_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = fails(bb(folder.path(), &["webhooks", "add", "crm", "https://example.org", "#"]), 2);
    assert!(error.contains("set BLOODBANK_WEBHOOKS_FILE"), "{error}");
}

#[test]
fn a_service_exports_its_spans_where_a_collector_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let collector = HttpReceiver::listen();
    let mut serve = bb(folder.path(), &["serve", "--memory", "--port", "0"]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).env("OTEL_SERVICE_NAME", "the-gateway");
    let mut serve = Running::start(serve);
    let line = serve.line("gateway  http");
    let url = line.rsplit(' ').next().unwrap();
    // Any request is a span.
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut stream,
        b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    )
    .unwrap();
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
    serve.signal("TERM");
    assert_eq!(serve.code(), Some(0));
    let request = collector.next("post /v1/traces ");
    let body = String::from_utf8_lossy(&request.body);
    assert!(body.contains("the-gateway") && body.contains("GET /openapi.json"), "{body}");
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = bb(folder.path(), &["serve", "--memory", "--port", "0"]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let error = fails(serve, 2);
    assert!(error.contains("only `http/protobuf` is spoken here"), "{error}");
}
