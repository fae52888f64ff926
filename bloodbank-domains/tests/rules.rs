//! The rules of the fields: written once, checked when an event is published or read, and visible in its schema.

use bloodbank_core::{ErrorKind, Registry, event::Payload};
use bloodbank_domains::{agent::AgentThreadPrompt, fireflies::FirefliesTranscriptReady};
use serde_json::{Value, json};

const ENVELOPES: &str = include_str!("../../bloodbank-core/tests/embedded/wire/envelopes.json");

/// The envelope of the Python side with this key.
fn envelope(key: &str) -> Value {
    let envelopes: Vec<Value> = serde_json::from_str(ENVELOPES).expect("JSON");
    envelopes.into_iter().find(|envelope| envelope["event_type"] == key).expect("an envelope of that key")
}

fn property(key: &str, pointer: &str) -> Value {
    let schema = Registry::global().event(key).expect("a registered event").schema().to_value();
    schema.pointer(pointer).unwrap_or_else(|| panic!("{key} has no {pointer}: {schema:#}")).clone()
}

#[test]
fn the_schema_shows_the_rules() {
    assert_eq!(property("agent.thread.prompt", "/properties/prompt/minLength"), 1);
    assert_eq!(property("llm.prompt", "/properties/temperature/minimum"), 0.0);
    assert_eq!(property("fireflies.transcript.ready", "/properties/transcript_url/format"), "uri");
    assert_eq!(property("fireflies.transcript.ready", "/properties/host_email/format"), "email");
    assert_eq!(property("fireflies.transcript.ready", "/$defs/Sentence/properties/start_time/minimum"), 0.0);
    assert_eq!(property("github.pr.created", "/properties/cache_key/minLength"), 1);
}

#[test]
fn every_event_has_an_example_that_keeps_the_rules() {
    for event in Registry::global().events() {
        let example = event.example().unwrap_or_else(|| panic!("`{}` has no example", event.routing_key()));
        let (key, payload) = (example.routing_key().expect("a key"), example.to_value().expect("JSON"));
        let read = event.read(&key, &payload).unwrap_or_else(|error| panic!("the example of `{key}`: {error}"));
        assert_eq!(read.to_value().expect("JSON"), payload, "{key}");
        assert!(read.parents().is_empty(), "a mock of `{key}` would be the effect of an event that never was");
    }
}

#[test]
fn what_breaks_a_rule_is_not_read_and_every_fault_is_named() {
    let mut broken = envelope("fireflies.transcript.ready");
    broken["payload"]["transcript_url"] = json!("no address");
    broken["payload"]["host_email"] = json!("nobody");
    broken["payload"]["sentences"][1]["start_time"] = json!(-1.0);
    let error = FirefliesTranscriptReady::decode(broken.to_string().as_bytes()).expect_err("it breaks three rules");
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    for field in ["transcript_url", "host_email", "sentences[1].start_time"] {
        assert!(error.to_string().contains(field), "{field} is not named: {error}");
    }
}

#[test]
fn an_empty_prompt_is_refused_by_the_type_and_by_the_schema() {
    let mut empty = envelope("agent.thread.prompt");
    empty["payload"]["prompt"] = json!("");
    let error = AgentThreadPrompt::decode(empty.to_string().as_bytes()).expect_err("nothing is asked");
    assert!(error.to_string().contains("`prompt`"), "{error}");
    let descriptor = Registry::global().event("agent.thread.prompt").expect("a registered event");
    let error = descriptor.read("agent.thread.prompt", &empty["payload"]).err().expect("nothing is asked");
    assert!(error.to_string().contains("/prompt"), "{error}");
}
