//! Replays: started, watched and cancelled over HTTP.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Settings,
    message::names,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use bloodbank_gateway::Tokens;
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PROMPT, Served, json_of, serve_with};

const TOKENS: &str = r##"
[[token]]
name = "all"
secret = "the-secret-of-everything"
publish = ["#"]
read = ["#"]

[[token]]
name = "reader"
secret = "the-secret-of-the-reader"
read = ["#"]
"##;

/// A gateway on a bus in a file, with twenty events and a queue for replays.
async fn served(folder: &tempfile::TempDir) -> Served {
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let queue = Queue::new("desk.read", QueueKind::Quorum);
    bus.transport().declare(Topology::default().queues([queue])).await.unwrap();
    let gateway = serve_with(bus, |builder| builder.tokens(Tokens::from_toml(TOKENS).unwrap())).await;
    for _ in 0..20 {
        let publish = gateway.post("/events/llm/prompt").bearer_auth("the-secret-of-everything").json(&*PROMPT);
        assert_eq!(json_of(publish).await.0, StatusCode::ACCEPTED);
    }
    gateway
}

async fn post(gateway: &Served, path: &str, body: &Value) -> (StatusCode, Value) {
    json_of(gateway.post(path).bearer_auth("the-secret-of-everything").json(body)).await
}

async fn get(gateway: &Served, path: &str) -> (StatusCode, Value) {
    json_of(gateway.get(path).bearer_auth("the-secret-of-the-reader")).await
}

async fn ended(gateway: &Served, id: &str) -> Value {
    loop {
        let (status, progress) = get(gateway, &format!("/replays/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{progress}");
        if progress["state"] != "running" {
            return progress;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_planned_started_cancelled_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = served(&folder).await;
    let mut request = json!({ "queue": "desk.read", "query": { "pattern": "llm.*" }, "rate": 20 });
    let (_, planned) = post(&gateway, "/replays?dry_run=true", &request).await;
    assert_eq!(planned["plan"], json!({ "events": 20, "types": { "llm.prompt": 20 }, "range": [1, 20] }));
    let mut audit = gateway.gateway.live(&["bloodbank.replay.*".to_owned()]).await.unwrap();
    let (status, begun) = post(&gateway, "/replays", &request).await;
    assert_eq!((status, &begun["state"]), (StatusCode::ACCEPTED, &json!("running")));
    let id = begun["id"].as_str().unwrap();
    let event = tokio::time::timeout(Duration::from_secs(60), audit.next()).await.unwrap().unwrap();
    let event: Value = serde_json::from_slice(event.body()).unwrap();
    assert_eq!(
        (&event["event_type"], &event["source"]["meta"]["client"]),
        (&json!("bloodbank.replay.started"), &json!("all"))
    );
    let told = json!({ "replay": id, "queue": "desk.read", "who": "all", "query": { "pattern": "llm.*" }, "rate": 20, "resumed": false });
    for (name, value) in told.as_object().unwrap() {
        let is_said = if name == "query" {
            &event["payload"]["query"]["pattern"] == "llm.*"
        } else {
            event["payload"][name] == *value
        };
        assert!(is_said, "{name}: {event}");
    }
    let mut deliveries = gateway.bus.transport().consume(Arc::from("desk.read"), 100).await.unwrap();
    let first = deliveries.next().await.unwrap();
    assert_eq!(first.message.properties.headers.text(names::REPLAYED), Some(id));
    let cancel = gateway.client.delete(format!("{}/replays/{id}", gateway.url)).bearer_auth("the-secret-of-everything");
    let (_, cancelled) = json_of(cancel).await;
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert!(cancelled["sent"].as_u64().unwrap() < 20, "{cancelled}");
    request["progress"] = cancelled;
    request["rate"] = Value::Null;
    let (status, resumed) = post(&gateway, "/replays", &request).await;
    assert_eq!((status, &resumed["id"]), (StatusCode::ACCEPTED, &json!(id)));
    let done = ended(&gateway, id).await;
    assert_eq!((&done["state"], &done["sent"]), (&json!("done"), &json!(20)));
    let mut received = 1;
    while received < 20 {
        assert!(deliveries.next().await.is_some());
        received += 1;
    }
    assert_eq!(get(&gateway, "/replays").await.1["replays"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_cannot_begin_or_may_not_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = served(&folder).await;
    for (request, status) in [
        (json!({ "queue": "desk.misspelt" }), StatusCode::NOT_FOUND),
        (json!({ "queue": "desk.read", "qery": {} }), StatusCode::BAD_REQUEST),
        (json!({ "queue": "desk.read", "query": { "pattern": "a..b" } }), StatusCode::BAD_REQUEST),
        (json!({}), StatusCode::BAD_REQUEST),
    ] {
        let (answered, problem) = post(&gateway, "/replays", &request).await;
        assert_eq!(answered, status, "{request}: {problem}");
    }
    let read_only = gateway.post("/replays").bearer_auth("the-secret-of-the-reader");
    assert_eq!(json_of(read_only.json(&json!({ "queue": "desk.read" }))).await.0, StatusCode::FORBIDDEN);
    for path in ["/replays/none", "/replays/00000000-0000-4000-8000-000000000001"] {
        assert!(get(&gateway, path).await.0.is_client_error(), "{path}");
    }
}
