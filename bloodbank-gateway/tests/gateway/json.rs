//! JSON means the same on every way in.

use bloodbank_core::{Bus, EventEnvelope, event::Payload, json::read_value};
use bloodbank_domains::{
    fireflies::{FirefliesTranscriptProcessed, FirefliesTranscriptUpload},
    llm::LlmPrompt,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mcp::{Session, send_text},
    support::{Served, buses, read, serve, serve_with},
};

/// An envelope around the text of a payload.
fn envelope(key: &str, payload: &str) -> String {
    let id = Uuid::from_u128(7);
    format!(r#"{{"event_id":"{id}","event_type":"{key}","timestamp":"2026-01-02T03:04:05","payload":{payload}}}"#)
}

/// The refusals of a payload by each way of HTTP, with the place of the fault in the payload.
async fn refusals(gateway: &Served, key: &str, payload: &str) -> Vec<(&'static str, Vec<String>)> {
    let send = |path: &str, media_type: &str, body: String| {
        gateway.post(path).header("content-type", media_type.to_owned()).body(body).send()
    };
    let path = format!("/events/{}", key.replace('.', "/"));
    let pointers = |problem: &Value, below: &str| -> Vec<String> {
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{payload}: {problem}"));
        let pointers = errors.iter().map(|error| error["pointer"].as_str().expect("text"));
        pointers.map(|pointer| pointer.strip_prefix(below).unwrap_or_else(|| panic!("{pointer}")).to_owned()).collect()
    };
    let mut found = Vec::new();
    let (status, problem) = read(send(&path, "application/json", payload.to_owned()).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{payload}: {problem}");
    found.push(("path", pointers(&problem, "")));
    let whole = send("/events/custom", "application/json", envelope(key, payload)).await.expect("an answer");
    let (status, problem) = read(whole).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{payload}: {problem}");
    found.push(("envelope", pointers(&problem, "/payload")));
    let batch = send("/events/batch", "application/x-ndjson", envelope(key, payload)).await.expect("an answer");
    let result: Value = serde_json::from_str(&batch.text().await.expect("an answer")).expect("an answer");
    assert_eq!(result["status"], 422, "{payload}: {result}");
    found.push(("batch", pointers(&result["problem"], "/payload")));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_two_meanings_is_refused_on_every_way_with_its_place() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        for (payload, pointer) in [
            (r#"{"provider":"a","provider":"b","prompt":"x"}"#, ""),
            (r#"{"provider":"a","prompt":"x","metadata":{"k":1,"k":2}}"#, "/metadata"),
            (r#"{"provider":"a","prompt":"x","unknown":[{"k":1,"\u006b":2}]}"#, "/unknown/0"),
            (
                r#"{"provider":"a","prompt":"x","metadata":{"n":340282366920938463463374607431768211455}}"#,
                "/metadata/n",
            ),
            (r#"{"provider":"a","prompt":"x","metadata":{"n":[-9223372036854775809]}}"#, "/metadata/n/0"),
            (r#"["a","x"]"#, ""),
            (r#"{"provider":"a","prompt":"x","metadata":["k"]}"#, "/metadata"),
            (r#"{"provider":"a","prompt":7}"#, "/prompt"),
        ] {
            for (way, pointers) in refusals(&gateway, "llm.prompt", payload).await {
                assert_eq!(pointers, [pointer], "{way}: {payload}");
            }
            // The consumer reads by itself.
            let error = LlmPrompt::decode(envelope("llm.prompt", payload).as_bytes()).unwrap_err();
            let pointers: Vec<_> =
                error.faults().iter().map(|fault| fault.pointer.trim_start_matches("/payload")).collect();
            assert_eq!(pointers, [pointer], "consumer: {payload}: {error}");
            assert!(read_value(payload.as_bytes()).is_err() || !payload.contains("\"k\":1,"), "{payload}");
        }
    }
}

#[tokio::test]
async fn a_message_of_an_agent_has_one_meaning_too() {
    let gateway = serve().await;
    let agent = Session::open(&gateway, None).await;
    let call = |payload: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"publish_event","arguments":{{"key":"llm.prompt","payload":{payload}}}}}}}"#
        )
    };
    for (payload, pointer) in [
        (r#"{"provider":"a","provider":"b","prompt":"x"}"#, "/params/arguments/payload"),
        (
            r#"{"provider":"a","prompt":"x","metadata":{"n":99999999999999999999}}"#,
            "/params/arguments/payload/metadata/n",
        ),
    ] {
        let (status, problem) = read(send_text(&agent, call(payload), "application/json").await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let (status, problem) = read(send_text(&agent, call("{}"), "text/plain").await).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(problem["detail"].as_str().unwrap().contains("`Content-Type: application/json`"), "{problem}");
}

#[tokio::test]
async fn a_number_that_json_cannot_hold_is_not_published_as_null() {
    let bus = Bus::embedded();
    let prompt: LlmPrompt = serde_json::from_value(json!({ "provider": "a", "prompt": "x" })).unwrap();
    for temperature in [f64::NAN, f64::INFINITY] {
        let error = bus.publish(LlmPrompt { temperature: Some(temperature), ..prompt.clone() }).await.unwrap_err();
        // The rules of the field may say so first.
        assert!(error.to_string().contains("temperature"), "{error}");
    }
    let upload = json!({ "transcript_id": "t", "rag_document_id": "r", "title": "t", "ingestion_timestamp": "2026-01-02T03:04:05Z",
        "sentence_count": 1, "speaker_count": 1, "duration_minutes": 1.0, "vector_store": "v" });
    let processed: FirefliesTranscriptProcessed = serde_json::from_value(upload).unwrap();
    let infinite = FirefliesTranscriptProcessed { duration_minutes: f64::INFINITY, ..processed };
    let error = bus.publish(infinite).await.unwrap_err();
    assert_eq!(error.faults()[0].pointer, "/duration_minutes", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_read_like_those_of_the_envelope() {
    let gateway = serve().await;
    let upload = |time: &str| {
        json!({ "media_file": "a.mp3", "media_duration_seconds": 1, "media_type": "audio/mpeg", "created_at": time })
            .to_string()
    };
    let post = |body: String| {
        let request = gateway.post("/events/fireflies/transcript/upload");
        request.header("content-type", "application/json").body(body).send()
    };
    for (time, instant) in [
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05.5", "2026-01-02T03:04:05.500Z"),
        ("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
    ] {
        let (status, published) = read(post(upload(time)).await.unwrap()).await;
        assert_eq!(
            (status, &published["payload"]["created_at"]),
            (StatusCode::ACCEPTED, &json!(instant)),
            "{published}"
        );
        let body = envelope("fireflies.transcript.upload", &upload(time));
        let consumed: EventEnvelope<FirefliesTranscriptUpload> = Payload::decode(body.as_bytes()).expect(time);
        assert_eq!(json!(consumed.payload.created_at), json!(instant));
    }
    for time in ["0000-01-01T00:00:00Z", "12026-01-02T03:04:05Z", "yesterday"] {
        for (way, pointers) in refusals(&gateway, "fireflies.transcript.upload", &upload(time)).await {
            assert_eq!(pointers, ["/created_at"], "{way}: {time}");
        }
        let body = envelope("fireflies.transcript.upload", &upload(time));
        let error = FirefliesTranscriptUpload::decode(body.as_bytes()).unwrap_err();
        assert_eq!(error.faults()[0].pointer, "/created_at", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_of_the_python_side_are_taken_in_each_version() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let (id, parent) = (Uuid::new_v4(), Uuid::new_v4());
        let payload = json!({ "provider": "a", "prompt": "x" });
        let flat = json!({ "id": id, "ts": "2025-10-06T12:00:00", "event_type": "llm.prompt", "source": "cli/claude",
            "correlation_id": parent, "data": payload });
        let second = json!({ "event_id": id, "timestamp": "2025-10-06T12:00:00", "event_type": "llm.prompt",
            "version": "2.1.0", "source": { "host": "h", "type": "manual" }, "correlation_ids": [parent], "payload": payload });
        for event in [&flat, &second] {
            let (status, answer) = read(gateway.post("/events/custom").json(event).send().await.unwrap()).await;
            assert_eq!((status, &answer["event_id"]), (StatusCode::ACCEPTED, &json!(id)), "{answer}");
            let lines =
                gateway.post("/events/batch").header("content-type", "application/jsonl").body(event.to_string());
            let result: Value = serde_json::from_str(&lines.send().await.unwrap().text().await.unwrap()).unwrap();
            assert_eq!((&result["status"], &result["event_id"]), (&json!(202), &json!(id)), "{result}");
            let text = event.to_string();
            let consumed: EventEnvelope<LlmPrompt> = Payload::decode(text.as_bytes()).unwrap();
            assert_eq!((consumed.event_id, consumed.correlation_ids), (id, vec![parent]));
        }
        let mut broken = flat.clone();
        broken["data"]["prompt"] = 7.into();
        let (_, problem) = read(gateway.post("/events/custom").json(&broken).send().await.unwrap()).await;
        assert_eq!(problem["errors"][0]["pointer"], "/data/prompt", "{problem}");
        let mut third = second.clone();
        third["version"] = "3.0.0".into();
        let (status, _) = read(gateway.post("/events/custom").json(&third).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        let many: Vec<_> = (0..501).map(|_| Uuid::new_v4()).collect();
        let mut fan = second.clone();
        fan["correlation_ids"] = json!(many);
        let (status, problem) = read(gateway.post("/events/custom").json(&fan).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}
