//! Webhooks: signed, delivered twice, correlated.

use bloodbank_core::{Bus, event_id::deterministic};
use bloodbank_webhooks::Webhooks;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::support::{Served, buses, json_of, serve, serve_with};

const FIREFLIES: &str = "the secret of fireflies";
const GITHUB: &str = "the secret of github";
const TRANSCRIPT: &str = include_str!("../../../examples/data/fireflies_webhook.json");

fn secrets() -> Webhooks {
    Webhooks::default().fireflies(FIREFLIES).github(GITHUB)
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn fireflies(gateway: &Served, body: &str, signature: &str) -> RequestBuilder {
    gateway.post("/webhooks/fireflies").header("x-hub-signature", signature).body(body.to_owned())
}

/// The transcript alone, changed.
fn transcript(change: impl FnOnce(&mut Value)) -> String {
    let mut body: Value = serde_json::from_str(TRANSCRIPT).expect("JSON");
    let mut one = body[0]["content"]["data"].take();
    change(&mut one);
    one.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_is_delivered_twice_is_one_event() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder.endpoints(secrets().endpoints())).await;
        let (status, body) = json_of(fireflies(&gateway, TRANSCRIPT, &signature(FIREFLIES, TRANSCRIPT))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let (_, again) = json_of(fireflies(&gateway, TRANSCRIPT, &signature(FIREFLIES, TRANSCRIPT)[7..])).await;
        assert_eq!(body, again);
        let id = deterministic("fireflies.transcript.ready", "id=01K7CKT5XHEY6DP8BH4CND1QKZ");
        assert_eq!(body["event_ids"], json!([id]));
    }
}

#[tokio::test]
async fn a_transcript_is_the_child_of_its_upload() {
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(secrets().endpoints())).await;
    let parents = async |body: &str| {
        let (status, answer) = json_of(fireflies(&gateway, body, &signature(FIREFLIES, body))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let id = answer["event_id"].as_str().unwrap().parse().unwrap();
        gateway.bus.correlation().unwrap().parents(id).await.unwrap()
    };
    // Nothing is known about an upload.
    assert_eq!(parents(&transcript(|one| one["id"] = json!("m-1"))).await, Vec::<Uuid>::new());
    // The uploader gave its id to Fireflies.
    let upload = Uuid::new_v4();
    let named = transcript(|one| {
        one["id"] = json!("m-2");
        one["clientReferenceId"] = json!(upload);
    });
    assert_eq!(parents(&named).await, [upload]);
    // The upload is known by user and file.
    let upload = json!({
        "media_file": "https://files.example/m-3.mp3", "media_duration_seconds": 60, "media_type": "audio/mpeg",
        "user_id": "u-3", "created_at": "2026-01-01T00:00:00Z",
    });
    let (_, uploaded) = json_of(gateway.post("/events/fireflies/transcript/upload").json(&upload)).await;
    let known = transcript(|one| {
        one["id"] = json!("m-3");
        one["audio_url"] = upload["media_file"].clone();
        one["user"]["user_id"] = upload["user_id"].clone();
    });
    assert_eq!(json!(parents(&known).await), json!([uploaded["event_id"]]));
}

#[tokio::test]
async fn a_body_that_is_not_signed_is_refused() {
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(secrets().endpoints())).await;
    let right = signature(FIREFLIES, TRANSCRIPT);
    let wrong = [
        String::new(),
        "sha256=".to_owned(),
        right.replace("sha256=", "sha1="),
        right[..right.len() - 2].to_owned(),
        signature("another secret", TRANSCRIPT),
        signature(FIREFLIES, "another body"),
    ];
    for signature in wrong {
        let (status, problem) = json_of(fireflies(&gateway, TRANSCRIPT, &signature)).await;
        assert_eq!((status, problem["type"].as_str()), (StatusCode::UNAUTHORIZED, Some("urn:bloodbank:unsigned")));
    }
    let unsigned = gateway.post("/webhooks/github").body("{}");
    assert_eq!(json_of(unsigned).await.0, StatusCode::UNAUTHORIZED);
    for body in ["no json", "{}", "[{}]"] {
        let (status, _) = json_of(fireflies(&gateway, body, &signature(FIREFLIES, body))).await;
        assert!(matches!(status.as_u16(), 400 | 422), "{body}: {status}");
    }
    let off = serve().await;
    assert_eq!(json_of(fireflies(&off, TRANSCRIPT, &right)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_pull_request_is_one_event_however_often_it_is_delivered() {
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(secrets().endpoints())).await;
    let deliver = async |event: &str, body: Value| {
        let body = body.to_string();
        let request = gateway.post("/webhooks/github").header("x-github-event", event);
        json_of(request.header("x-hub-signature-256", signature(GITHUB, &body)).body(body)).await
    };
    let opened = json!({
        "action": "opened", "number": 423, "pull_request": { "body": "It ships." }, "repository": { "name": "trinote" },
    });
    let (status, body) = deliver("pull_request", opened.clone()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(body["event_id"], json!(deterministic("github.pr.created", "cache_key=trinote|423")));
    assert_eq!(deliver("pull_request", opened.clone()).await.1, body);
    assert_eq!(deliver("ping", json!({ "zen": "…" })).await.1["status"], "ignored");
    let mut closed = opened;
    closed["action"] = json!("closed");
    assert_eq!(deliver("pull_request", closed).await.1["status"], "ignored");
}
