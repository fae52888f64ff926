//! Envelopes written by the Python side: each decodes to its typed event and encodes back to what it was.

use bloodbank_core::{Event, EventEnvelope, Registry, event::Payload};
use bloodbank_domains::{
    agent::{AgentThreadError, AgentThreadPrompt, AgentThreadResponse},
    artifact::{Artifact, ArtifactIngestionFailed},
    fireflies::{
        FirefliesTranscriptFailed, FirefliesTranscriptProcessed, FirefliesTranscriptReady, FirefliesTranscriptUpload,
        Webhook,
    },
    github::GithubPrCreated,
    llm::{LlmError, LlmPrompt, LlmResponse},
};
use chrono::DateTime;
use serde_json::Value;

const ENVELOPES: &str = include_str!("../../bloodbank-core/tests/embedded/wire/envelopes.json");

/// Envelopes as the first Python version wrote them.
const FLAT: &str = include_str!("../../bloodbank-core/tests/embedded/wire/flat_envelopes.json");

/// Decodes as `E` if the key is one of `E`'s, and encodes back.
fn round_trip<E: Event>(envelope: &Value) -> Option<Value> {
    let key = envelope["event_type"].as_str()?;
    if !bloodbank_core::routing::template_matches(E::DECLARATION.routing_key, key) {
        return None;
    }
    let typed: EventEnvelope<E> =
        E::decode(envelope.to_string().as_bytes()).unwrap_or_else(|error| panic!("{key}: {error}"));
    assert_eq!(&*typed.payload.routing_key().expect("a legal key"), key);
    Some(serde_json::to_value(&typed).expect("JSON"))
}

/// Everything of `part` is in `whole`; times are compared as instants.
fn assert_contains(whole: &Value, part: &Value, place: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                let there = whole.get(key).unwrap_or_else(|| panic!("{place}/{key} is lost"));
                assert_contains(there, value, &format!("{place}/{key}"));
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{place}");
            for (index, (whole, part)) in whole.iter().zip(part).enumerate() {
                assert_contains(whole, part, &format!("{place}/{index}"));
            }
        }
        (Value::String(one), Value::String(other)) if one != other => {
            let time = |text: &str| {
                DateTime::parse_from_rfc3339(text).unwrap_or_else(|_| panic!("{place}: {one} is not {other}"))
            };
            assert_eq!(time(one), time(other), "{place}");
        }
        (one, other) => assert_eq!(one, other, "{place}"),
    }
}

#[test]
fn every_envelope_of_the_python_side_survives_the_trip() {
    let envelopes: Vec<Value> = serde_json::from_str(ENVELOPES).expect("JSON");
    assert_eq!(envelopes.len(), 15);
    for envelope in &envelopes {
        let back = None
            .or_else(|| round_trip::<FirefliesTranscriptUpload>(envelope))
            .or_else(|| round_trip::<FirefliesTranscriptReady>(envelope))
            .or_else(|| round_trip::<FirefliesTranscriptProcessed>(envelope))
            .or_else(|| round_trip::<FirefliesTranscriptFailed>(envelope))
            .or_else(|| round_trip::<AgentThreadPrompt>(envelope))
            .or_else(|| round_trip::<AgentThreadResponse>(envelope))
            .or_else(|| round_trip::<AgentThreadError>(envelope))
            .or_else(|| round_trip::<Artifact>(envelope))
            .or_else(|| round_trip::<ArtifactIngestionFailed>(envelope))
            .or_else(|| round_trip::<GithubPrCreated>(envelope))
            .or_else(|| round_trip::<LlmPrompt>(envelope))
            .or_else(|| round_trip::<LlmResponse>(envelope))
            .or_else(|| round_trip::<LlmError>(envelope));
        let key = envelope["event_type"].as_str().expect("text");
        let back = back.unwrap_or_else(|| panic!("no event for {key}"));
        assert_contains(&back, envelope, key);
        // The same through the registry, by the key alone, against the schema.
        let descriptor = Registry::global().event(key).unwrap_or_else(|| panic!("{key} is not registered"));
        let event = descriptor.read(key, &envelope["payload"]).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_contains(&event.to_value().expect("JSON"), &envelope["payload"], key);
    }
}

#[test]
fn failures_of_the_python_side_may_leave_fields_out() {
    let failed: ArtifactIngestionFailed =
        serde_json::from_str(r#"{"artifact_uri": "file:///x", "artifact_kind": "document", "error_message": "boom"}"#)
            .expect("defaults");
    assert!(failed.is_retryable && failed.retry_count == 0 && failed.error_code.is_none());
}

#[test]
fn a_webhook_becomes_a_transcript_however_it_is_wrapped() {
    let exported = include_bytes!("../../examples/data/fireflies_webhook.json");
    let items: Vec<Value> = serde_json::from_slice(exported).expect("JSON");
    let bare = &items[0]["content"]["data"];
    let forms = [
        exported.to_vec(),
        items[0].to_string().into_bytes(),
        items[0]["content"].to_string().into_bytes(),
        bare.to_string().into_bytes(),
    ];
    for form in forms {
        let mut webhooks = Webhook::read(&form).expect("a transcript");
        assert_eq!(webhooks.len(), 1);
        let ready = FirefliesTranscriptReady::try_from(webhooks.remove(0)).expect("a transcript");
        assert_eq!(ready.id, "01K7CKT5XHEY6DP8BH4CND1QKZ");
        assert_eq!(ready.date.to_rfc3339(), "2025-10-12T16:25:00+00:00");
        assert_eq!(ready.sentences.len(), 5);
        assert_eq!(ready.sentences[1].start_time, 6.0);
        assert!(ready.participants.is_empty() && ready.speakers.is_empty() && ready.summary.is_none());
        assert_eq!(ready.unique_key().as_deref(), Some("id=01K7CKT5XHEY6DP8BH4CND1QKZ"));
    }
    let error = Webhook::read(br#"{"data": {"id": 7}}"#).expect_err("no transcript").to_string();
    assert!(error.contains("transcript 0"), "{error}");
}

#[test]
fn a_transcript_is_read_as_the_interface_of_fireflies_gives_it() {
    let exported = include_bytes!("../../examples/data/fireflies_webhook.json");
    let items: Vec<Value> = serde_json::from_slice(exported).expect("JSON");
    let read = |change: &dyn Fn(&mut Value)| {
        let mut transcript = items[0]["content"]["data"].clone();
        change(&mut transcript);
        Webhook::from_value(transcript).and_then(FirefliesTranscriptReady::try_from)
    };
    let ready = read(&|one| {
        for absent in ["title", "user", "host_email"] {
            one[absent] = Value::Null;
        }
        one["date"] = "1751000000123".into();
        one["duration"] = "12.5".into();
        one["sentences"][0]["index"] = serde_json::json!(0.0);
        one["sentences"][0]["start_time"] = "1.5".into();
    })
    .expect("a transcript");
    assert_eq!(
        (&*ready.title, ready.duration, ready.date.timestamp_millis()),
        ("Untitled meeting", 12.5, 1_751_000_000_123)
    );
    assert_eq!((ready.sentences[0].index, ready.sentences[0].start_time), (0, 1.5));
    assert!(ready.host_email == ready.organizer_email && ready.user.user_id == ready.organizer_email);
    ready.validate().expect("keeps its rules");
    let ready = read(&|one| one["date"] = "2025-10-12T16:25:00".into()).expect("a transcript");
    assert_eq!(ready.date.to_rfc3339(), "2025-10-12T16:25:00+00:00", "without an offset it is UTC");
    let nobody = read(&|one| {
        for absent in ["user", "host_email", "organizer_email"] {
            one[absent] = Value::Null;
        }
    });
    assert!(nobody.expect_err("nobody").to_string().contains("neither host, organizer nor user"));
}

#[test]
fn the_flat_envelopes_of_the_first_version_are_read() {
    fn read<E: Event>(envelopes: &[Value], index: usize) -> EventEnvelope<E> {
        let body = envelopes[index].to_string();
        let envelope = E::decode(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"));
        // The same as an envelope of today that says what this one says.
        let again = serde_json::to_vec(&envelope).expect("JSON");
        assert_eq!(E::decode(&again).expect("an envelope").event_id, envelope.event_id);
        envelope
    }
    let flat: Vec<Value> = serde_json::from_str(FLAT).expect("JSON");
    let prompt = read::<LlmPrompt>(&flat, 0);
    assert_eq!((&*prompt.payload.prompt, &prompt.payload.tools), ("Explain event sourcing", &Vec::new()));
    assert_eq!(prompt.payload.metadata["session"], 7);
    assert_eq!(prompt.timestamp.to_rfc3339(), "2025-10-06T12:00:00.123456+00:00");
    let meta = prompt.source.meta.expect("what the envelope said besides");
    assert_eq!((&meta["project"], &meta["tags"][1]), (&"bloodbank".into(), &"rust".into()));

    let response = read::<LlmResponse>(&flat, 1);
    assert_eq!(response.correlation_id(), Some(prompt.event_id));
    assert_eq!(response.payload.prompt_id, Some(prompt.event_id.to_string()));

    let artifact = read::<Artifact>(&flat, 2);
    assert_eq!((&*artifact.event_type, artifact.payload.title.as_deref()), ("artifact.created", Some("Standup")));
    assert!(artifact.correlation_ids.is_empty(), "`workflow-7` is no event");
}
