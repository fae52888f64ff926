//! Webhooks: signed, delivered twice, correlated.

use bloodbank_core::{App, Bus, CommandManager, event_id::deterministic};
use bloodbank_domains::fireflies::{FirefliesTranscriptFetch, FirefliesTranscriptReady};
use bloodbank_gateway::Limits;
use bloodbank_webhooks::{FirefliesApi, Webhooks};
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
    let deliver = async |event: &str, media_type: &str, body: String| {
        let request =
            gateway.post("/webhooks/github").header("x-github-event", event).header("content-type", media_type);
        json_of(request.header("x-hub-signature-256", signature(GITHUB, &body)).body(body)).await
    };
    let opened = json!({
        "action": "opened", "number": 423, "pull_request": { "body": "It ships." },
        "repository": { "name": "trinote", "full_name": "acme/trinote" },
    });
    let (status, body) = deliver("pull_request", "application/json", opened.to_string()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(body["event_id"], json!(deterministic("github.pr.created", "cache_key=acme/trinote|423")));
    // As GitHub sends it unless it is told otherwise.
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &opened.to_string()).finish();
    assert_eq!(deliver("pull_request", "application/x-www-form-urlencoded", form).await.1, body);
    let text = gateway.get("/claims/acme%2Ftrinote%7C423").send().await.expect("an answer");
    assert_eq!(text.text().await.expect("text"), "It ships.");
    assert_eq!(json_of(gateway.get("/claims/acme%2Fother%7C1")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(deliver("ping", "application/json", json!({ "zen": "…" }).to_string()).await.1["status"], "ignored");
    let push = json!({
        "ref": "refs/heads/main", "before": "a", "after": "b", "repository": { "name": "trinote", "full_name": "acme/trinote" },
    });
    assert_eq!(deliver("push", "application/json", push.to_string()).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_notification_of_fireflies_makes_an_event_or_the_command_that_fetches() {
    let first = json!({ "meetingId": "m-1", "eventType": "Transcription completed", "clientReferenceId": null });
    let upload = Uuid::new_v4();
    let second = json!({
        "event": "meeting.transcribed", "timestamp": 1_751_000_000_123_i64, "meeting_id": "m-2", "client_reference_id": upload,
    });
    let other = json!({ "event": "meeting.summarized", "timestamp": 1, "meeting_id": "m-2" });
    for (webhooks, key) in
        [(secrets(), "fireflies.transcript.available"), (secrets().fetch_transcripts(), "fireflies.transcript.fetch")]
    {
        let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(webhooks.endpoints())).await;
        let deliver = async |body: &Value| {
            let body = body.to_string();
            json_of(fireflies(&gateway, &body, &signature(FIREFLIES, &body))).await
        };
        let (status, answer) = deliver(&first).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        assert_eq!(answer["event_id"], json!(deterministic(key, "meeting_id=m-1")));
        let (_, answer) = deliver(&second).await;
        let id = answer["event_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(gateway.bus.correlation().unwrap().parents(id).await.unwrap(), [upload]);
        assert_eq!(deliver(&other).await, (StatusCode::OK, deliver(&other).await.1));
        assert_eq!(deliver(&other).await.1["status"], "ignored");
    }
}

/// Transcripts are fetched from an interface that says no once.
#[tokio::test(flavor = "multi_thread")]
async fn an_announced_transcript_is_fetched_and_published() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let items: Value = serde_json::from_str(TRANSCRIPT).expect("JSON");
    let transcript = items[0]["content"]["data"].clone();
    let graphql =
        axum::routing::post(move |headers: axum::http::HeaderMap, axum::Json(query): axum::Json<Value>| async move {
            assert_eq!(headers["authorization"], "Bearer the-key");
            assert_eq!(query["variables"]["id"], "m-9");
            if CALLS.fetch_add(1, Ordering::SeqCst) == 0 {
                return axum::Json(json!({ "data": { "transcript": null } }));
            }
            axum::Json(json!({ "data": { "transcript": transcript } }))
        });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/graphql", graphql)).await });

    let api = FirefliesApi::from_vars([("FIREFLIES_API_KEY", "the-key"), ("FIREFLIES_API_URL", &url)]).unwrap();
    let command = FirefliesTranscriptFetch { meeting_id: "m-9".to_owned() };
    assert!(api.transcript(&command.meeting_id).await.unwrap_err().to_string().contains("no such transcript"));
    let bus = bloodbank_testing::TestBus::new();
    let commands = CommandManager::matching("fireflies.transcript.fetch");
    let app = App::new("transcripts", bus.bus()).state(api).commands(commands).start().await.unwrap();
    bus.bus().publish(command).await.unwrap();
    bus.idle().await;
    assert_eq!(bus.published::<FirefliesTranscriptReady>().len(), 1);
    app.shutdown().await.unwrap();
    let without = FirefliesApi::default().transcript("m-9").await.unwrap_err();
    assert!(without.to_string().contains("FIREFLIES_API_KEY"), "{without}");
}

#[tokio::test]
async fn any_sender_can_be_configured_and_its_deliveries_seen_and_handled_again() {
    let webhooks = secrets()
        .from_toml(
            r#"[[webhook]]
            name = "gitlab"
            signature = { scheme = "gitlab-token", secret = "hush" }
            event = "gitlab.{object_kind}"
            id = "header:x-gitlab-event-uuid""#,
        )
        .unwrap();
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(webhooks.endpoints())).await;
    let deliver = async |token: &str, body: Value| {
        let request = gateway.post("/webhooks/gitlab").header("x-gitlab-token", token);
        json_of(request.header("x-gitlab-event-uuid", "d-1").json(&body)).await
    };
    let (status, first) = deliver("hush", json!({ "object_kind": "Merge Request" })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first}");
    assert_eq!(first["event_id"], json!(deterministic("gitlab.merge_request", "id=d-1")));
    assert_eq!(deliver("wrong", json!({})).await.0, StatusCode::UNAUTHORIZED);
    let (status, problem) = deliver("hush", json!({ "other": 1 })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("`/object_kind`"), "{problem}");

    let (_, list) = json_of(gateway.get("/webhooks")).await;
    let results: Vec<_> = list["deliveries"].as_array().unwrap().iter().map(|one| one["result"].clone()).collect();
    assert_eq!(results, ["refused", "published"]);
    let id = list["deliveries"][1]["id"].as_str().unwrap();
    let (status, again) = json_of(gateway.post(&format!("/webhooks/deliveries/{id}/redeliver"))).await;
    assert_eq!((status, again), (StatusCode::ACCEPTED, first));
    for (text, says) in [
        (
            "[[webhook]]\nname = \"github\"\nsignature = { scheme = \"stripe\", secret = \"s\" }\nevent = \"x\"",
            "another",
        ),
        ("[[webhook]]\nname = \"a\"\nsignature = { scheme = \"stripe\", secret = \"\" }\nevent = \"x\"", "anybody"),
        ("[[webhook]]\nname = \"a\"\nsignature = { scheme = \"stripe\", secret = \"s\" }\nevent = \"x.{\"", "braces"),
    ] {
        let error = Webhooks::default().from_toml(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Without any right: a body that does not come keeps nobody else waiting, and a webhook that is off reads none.
#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_take_no_room_from_others() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let limits = Limits::default().concurrency(40);
    let gateway = serve_with(Bus::embedded(), |builder| {
        builder.limits(limits).endpoints(Webhooks::default().github(GITHUB).endpoints())
    })
    .await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let open = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000000\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let mut senders = Vec::new();
    for _ in 0..60 {
        senders.push(open("/webhooks/github").await);
    }
    // Those over the limit of webhooks are told at once; everybody else is served.
    let mut refused = senders.pop().unwrap();
    let mut answer = [0; 12];
    refused.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    assert_eq!(gateway.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(gateway.get("/registry/domains").send().await.unwrap().status(), StatusCode::OK);
    let mut off = open("/webhooks/fireflies").await;
    off.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}

/// A gateway that has no room for requests is still alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_gateway_answers_probes() {
    use tokio::io::AsyncWriteExt;

    let limits = Limits::default().concurrency(1);
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let mut sender = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /events/custom HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    sender.write_all(head.as_bytes()).await.unwrap();
    let is_full = async || {
        let status = gateway.get("/registry/domains").send().await.unwrap().status();
        status == StatusCode::SERVICE_UNAVAILABLE
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !is_full().await {
        assert!(std::time::Instant::now() < deadline, "it never was full");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(gateway.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(gateway.get("/readyz").send().await.unwrap().status(), StatusCode::OK);
}
