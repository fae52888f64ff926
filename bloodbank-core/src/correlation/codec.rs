//! Keys and values as the Python side writes and reads them (frozen).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::store::{Entry, Link};
use crate::envelope;

/// The key of what is known about an event.
pub(super) fn forward_key(child: Uuid) -> String {
    format!("bloodbank:correlation:forward:{child}")
}

/// The key of the set of an event's children.
pub(super) fn reverse_key(parent: Uuid) -> String {
    format!("bloodbank:correlation:reverse:{parent}")
}

/// Written as it is read by Python: hyphenated ids, a time without an offset.
#[derive(Serialize)]
struct Written<'a> {
    parent_event_ids: &'a [Uuid],
    #[serde(serialize_with = "naive")]
    created_at: Option<DateTime<Utc>>,
    metadata: &'a Map<String, Value>,
}

/// What Python's `datetime.utcnow().isoformat()` gives; it cannot compare times with an offset to its own.
fn naive<S: serde::Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) if time.timestamp_subsec_micros() == 0 => serializer.collect_str(&time.format("%Y-%m-%dT%H:%M:%S")),
        Some(time) => serializer.collect_str(&time.format("%Y-%m-%dT%H:%M:%S%.6f")),
        None => serializer.serialize_none(),
    }
}

/// The value under the forward key.
pub(super) fn encode(link: &Link) -> String {
    let entry = link.entry();
    let written = Written { parent_event_ids: &entry.parents, created_at: entry.created_at, metadata: &entry.metadata };
    serde_json::to_string(&written).unwrap_or_else(|error| unreachable!("ids, a time and JSON are JSON: {error}"))
}

#[derive(Deserialize)]
struct Found {
    parent_event_ids: Vec<String>,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    metadata: Value,
}

/// What can be understood of a value, and what is wrong with the rest. Only the parents are essential.
pub(super) fn decode(value: &[u8]) -> (Option<Entry>, Option<String>) {
    let found: Found = match serde_json::from_slice(value) {
        Ok(found) => found,
        Err(error) => return (None, Some(format!("no correlation: {error}"))),
    };
    let (parents, problem) = ids(found.parent_event_ids.iter().map(|id| id.as_bytes()));
    let entry = Entry {
        parents,
        created_at: found.created_at.as_str().and_then(envelope::parse_time),
        metadata: match found.metadata {
            Value::Object(metadata) => metadata,
            _ => Map::new(),
        },
    };
    (Some(entry), problem)
}

/// The ids among these texts, and what is wrong with the others.
pub(super) fn ids<'a>(texts: impl Iterator<Item = &'a [u8]>) -> (Vec<Uuid>, Option<String>) {
    let mut ids = Vec::with_capacity(texts.size_hint().0);
    let mut problem = None;
    for text in texts {
        match Uuid::try_parse_ascii(text) {
            Ok(id) if !id.is_nil() => ids.push(id),
            _ => {
                let mut shown = String::from_utf8_lossy(text).into_owned();
                if let Some((end, _)) = shown.char_indices().nth(64) {
                    shown.truncate(end);
                }
                problem.get_or_insert_with(|| format!("{shown:?} is no event id"));
            }
        }
    }
    (ids, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn link(micros: u32) -> Link {
        Link {
            child: Uuid::from_u128(3),
            parents: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
            event_type: Some(Arc::from("orders.order.placed")),
            created_at: DateTime::from_timestamp(1_760_788_800, micros * 1000).unwrap(),
            app: Some(Arc::from("shop")),
            metadata: None,
        }
    }

    #[test]
    fn values_are_what_python_writes() {
        assert_eq!(
            encode(&link(123_456)),
            r#"{"parent_event_ids":["00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000002"],"created_at":"2025-10-18T12:00:00.123456","metadata":{"app":"shop","event_type":"orders.order.placed"}}"#
        );
        assert!(encode(&link(0)).contains(r#""created_at":"2025-10-18T12:00:00","#));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let link = link(500_000);
        assert_eq!(decode(encode(&link).as_bytes()), (Some(link.entry()), None));
    }

    #[test]
    fn broken_values_are_read_as_far_as_they_can_be() {
        let parent = Uuid::from_u128(7);
        let value = format!(r#"{{"parent_event_ids": ["{parent}", "seven"], "created_at": 5, "metadata": null}}"#);
        let (entry, problem) = decode(value.as_bytes());
        assert_eq!(entry.unwrap().parents, [parent]);
        assert_eq!(problem.unwrap(), r#""seven" is no event id"#);
        for broken in ["", "[]", "\u{7f}", r#"{"parent_event_ids": 5}"#] {
            let (entry, problem) = decode(broken.as_bytes());
            assert!(entry.is_none() && problem.is_some(), "{broken}");
        }
    }
}
