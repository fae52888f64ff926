//! The target `gateway`: HTTP requests.

use axum::{body::Body, http::Request};

use super::gateway_client::{GatewayClient, sign};
use crate::Target;

/// The value of a header that is replaced by the valid signature of the body.
const RIGHT: &str = "sha256=right";

/// Requests to the gateway as text: the method and the path, headers, an empty line, the body. No response is a 5xx, and a
/// response of a JSON content type is JSON.
#[derive(Default)]
pub struct GatewayRequests(Option<GatewayClient>);

impl Target for GatewayRequests {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let mut corpus: Vec<_> = [
            "POST /events/llm/prompt\ncontent-type: application/json\n\n{\"provider\":\"claude\",\"prompt\":\"why?\"}",
            "POST /events/artifact/created\ncontent-type: application/json\nidempotency-key: a\n\n{\"action\":\"created\",\"kind\":\"file\",\"uri\":\"file:///a\"}",
            "POST /events/custom\ncontent-type: application/json\n\n{\"event_type\":\"llm.prompt\",\"payload\":{\"provider\":\"a\",\"prompt\":\"b\"}}",
            "POST /events/batch\ncontent-type: application/json\n\n{\"events\":[{\"event_type\":\"llm.prompt\",\"payload\":{\"provider\":\"a\",\"prompt\":\"b\"}}]}",
            "POST /events/batch\ncontent-type: application/x-ndjson\n\n{\"event_type\":\"llm.prompt\",\"payload\":{\"provider\":\"a\",\"prompt\":\"b\"}}\n{}",
            "POST /webhooks/fireflies\ncontent-type: application/json\nx-hub-signature: sha256=00\n\n{\"meetingId\":\"a\",\"eventType\":\"Transcription completed\"}",
            "POST /webhooks/github\ncontent-type: application/json\nx-github-event: pull_request\nx-hub-signature-256: sha256=00\n\n{\"action\":\"opened\"}",
            "POST /webhooks/github\ncontent-type: application/json\nx-github-event: pull_request\nx-hub-signature-256: sha256=right\n\n{\"action\":\"opened\",\"number\":7,\"pull_request\":{\"body\":\"It ships.\"},\"repository\":{\"name\":\"trinote\"}}",
            "POST /webhooks/fireflies\ncontent-type: application/json\nx-hub-signature: sha256=right\n\n{\"meetingId\":\"a\",\"eventType\":\"Transcription completed\"}",
            "GET /events/stream\n\n",
            "GET /events/stream?pattern=llm.*&pattern=%23&format=cloudevents\nlast-event-id: 00000000-0000-0000-0000-000000000001\n\n",
            "GET /events/stream?since=2026-01-01T00:00:00Z\n\n",
            "GET /registry/events/llm.prompt\naccept: application/json\n\n",
            "GET /registry/events?domain=llm\n\n",
            "GET /registry/domains\n\n",
            "GET /schemas/llm.prompt.json\n\n",
            "GET /debug/correlation/00000000-0000-0000-0000-000000000001/chain?direction=ancestors&depth=3\n\n",
            "GET /debug/correlation/00000000-0000-0000-0000-000000000001/graph?format=mermaid\n\n",
            "GET /commands/00000000-0000-0000-0000-000000000001\n\n",
            "GET /healthz\n\n",
            "GET /readyz\n\n",
            "OPTIONS /events/custom\norigin: https://app.example\naccess-control-request-method: POST\n\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
        for envelope in super::golden() {
            corpus.push([b"POST /events/custom\ncontent-type: application/json\n\n", &*envelope].concat());
        }
        let transcript = include_bytes!("../../../examples/data/fireflies_webhook.json");
        let head = b"POST /webhooks/fireflies\ncontent-type: application/json\nx-hub-signature: sha256=right\n\n";
        corpus.push([&head[..], &transcript[..]].concat());
        corpus
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "GET ",
            "POST ",
            "PUT ",
            "DELETE ",
            "HEAD ",
            "OPTIONS ",
            "/events/",
            "/events/custom",
            "/events/batch",
            "/events/stream",
            "/webhooks/",
            "/registry/events/",
            "/schemas/",
            "/debug/correlation/",
            "/commands/",
            "..",
            "%2e%2e",
            "%2f",
            "%00",
            "?",
            "&",
            "=",
            "content-type: ",
            "application/json",
            "application/x-ndjson",
            "text/event-stream",
            "application/cloudevents+json",
            "authorization: Bearer ",
            "origin: ",
            "host: ",
            "content-length: ",
            "last-event-id: ",
            "pattern=",
            "format=",
            "since=",
            "x-hub-signature: ",
            "x-hub-signature-256: ",
            "x-github-event: ",
            RIGHT,
            "pull_request",
            "repository",
            "idempotency-key: ",
            "x-correlation-id: ",
            "traceparent: ",
            "\n",
            "\n\n",
            "llm.prompt",
            "event_type",
            "event_id",
            "payload",
            "correlation_ids",
            "source",
            "headers",
            "events",
            "limit=",
            "depth=",
            "00000000-0000-0000-0000-000000000001",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let (head, body) = match input.windows(2).position(|two| two == b"\n\n") {
            Some(end) => (&input[..end], &input[end + 2..]),
            None => (input, [].as_slice()),
        };
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let Some((method, path)) = lines.next().and_then(|first| first.split_once(' ')) else { return String::new() };
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            request = match value {
                RIGHT => request.header(name, sign(body)),
                _ => request.header(name, value),
            };
        }
        // What is no request never gets so far.
        let Ok(request) = request.body(Body::from(body.to_owned())) else { return "no request".to_owned() };
        let response = self.0.get_or_insert_with(GatewayClient::new).send(request);
        response.check();
        format!("{:?}{}", response.status.canonical_reason(), String::from_utf8_lossy(&response.body))
    }
}
