//! The wire format is frozen: what the Python side wrote is read and written back without losing anything.

use std::borrow::Cow;

use bloodbank_core::{EventEnvelope, event_id};
use chrono::DateTime;
use serde_json::Value;

const ENVELOPES: &str = include_str!("wire/envelopes.json");
const EVENT_IDS: &str = include_str!("wire/event_ids.json");

/// Where `written` lacks or changes something of `original`. Times are compared as instants; more fields are fine.
fn lost(path: &str, original: &Value, written: &Value) -> Vec<String> {
    match (original, written) {
        (Value::Object(original), Value::Object(written)) => original
            .iter()
            .flat_map(|(name, value)| {
                let path = format!("{path}/{name}");
                match written.get(name) {
                    Some(written) => lost(&path, value, written),
                    None => vec![format!("{path} is gone")],
                }
            })
            .collect(),
        (Value::Array(original), Value::Array(written)) if original.len() == written.len() => original
            .iter()
            .zip(written)
            .enumerate()
            .flat_map(|(index, (original, written))| lost(&format!("{path}/{index}"), original, written))
            .collect(),
        (Value::String(original), Value::String(written)) if same_instant(original, written) => Vec::new(),
        _ if original == written => Vec::new(),
        _ => vec![format!("{path}: {original} became {written}")],
    }
}

fn same_instant(one: &str, other: &str) -> bool {
    let instant = |text| DateTime::parse_from_rfc3339(text).ok();
    instant(one).is_some() && instant(one) == instant(other)
}

#[test]
fn every_envelope_is_read_and_written_back_whole() {
    let originals: Vec<Value> = serde_json::from_str(ENVELOPES).unwrap();
    assert_eq!(originals.len(), 15);
    for original in originals {
        let key = original["event_type"].as_str().unwrap();
        // As it arrives: from text, which is where borrowing and escapes matter.
        let envelope: EventEnvelope<Value> = serde_json::from_str(&original.to_string()).unwrap();
        assert_eq!(envelope.event_type, key);
        let written: Value = serde_json::from_str(&serde_json::to_string(&envelope).unwrap()).unwrap();
        assert_eq!(lost("", &original, &written), Vec::<String>::new(), "{key}");
        let again: EventEnvelope<Value> = serde_json::from_value(written).unwrap();
        assert_eq!(again, envelope);
    }
}

#[test]
fn the_comparison_notices_losses() {
    let original = serde_json::json!({"a": [1, {"b": null}], "t": "2025-10-18T12:00:00+00:00"});
    let same = serde_json::json!({"a": [1, {"b": null, "c": 1}], "t": "2025-10-18T14:00:00+02:00"});
    assert!(lost("", &original, &same).is_empty());
    let other = serde_json::json!({"a": [1, {}], "t": "2025-10-18T12:00:01Z"});
    assert_eq!(lost("", &original, &other).len(), 2);
}

/// A field as Python prints it.
fn printed(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        other => Cow::Owned(other.to_string()),
    }
}

#[test]
fn event_ids_are_those_of_the_python_side() {
    let vectors: Value = serde_json::from_str(EVENT_IDS).unwrap();
    let from_fields = vectors["from_fields"].as_array().unwrap();
    let from_unique_key = vectors["from_unique_key"].as_array().unwrap();
    assert_eq!((from_fields.len(), from_unique_key.len()), (8, 3));
    for vector in from_fields {
        let fields = vector["fields"].as_object().unwrap();
        let unique_key = event_id::unique_key(fields.iter().map(|(name, value)| (name.as_str(), Some(printed(value)))));
        let id = event_id::deterministic(vector["event_type"].as_str().unwrap(), &unique_key);
        assert_eq!(vector["event_id"], id.to_string(), "{vector}");
    }
    for vector in from_unique_key {
        let text = |name: &str| vector[name].as_str().unwrap();
        let id = event_id::in_namespace(text("namespace"), text("event_type"), text("unique_key"));
        assert_eq!(text("event_id"), id.to_string(), "{vector}");
        if text("namespace") == "bloodbank" {
            assert_eq!(id, event_id::deterministic(text("event_type"), text("unique_key")));
        }
    }
}
