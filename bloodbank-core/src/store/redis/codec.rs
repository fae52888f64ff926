//! Keys and values of links, as the Python side writes and reads them (frozen).

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::{Uuid, fmt::Hyphenated};

use crate::envelope;
use crate::store::{CausationLink, LinkEntry};

/// A key on the stack: a link has several, which are written and forgotten.
#[derive(Clone, Copy)]
pub(super) struct Key([u8; Key::LENGTH]);

impl Key {
    const PREFIX: usize = "bloodbank:correlation:forward:".len();
    const LENGTH: usize = Self::PREFIX + Hyphenated::LENGTH;

    fn new(prefix: &[u8; Self::PREFIX], event: Uuid) -> Self {
        let mut key = [0; Self::LENGTH];
        key[..Self::PREFIX].copy_from_slice(prefix);
        event.hyphenated().encode_lower(&mut key[Self::PREFIX..]);
        Self(key)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The key of an event's entry.
pub(super) fn forward_key(child: Uuid) -> Key {
    Key::new(b"bloodbank:correlation:forward:", child)
}

/// The key of the set of an event's children.
pub(super) fn reverse_key(parent: Uuid) -> Key {
    Key::new(b"bloodbank:correlation:reverse:", parent)
}

/// The pattern of the keys of all events between two ids.
pub(super) fn keys_between(first: Uuid, last: Uuid) -> String {
    let (first, last) = (first.to_string(), last.to_string());
    let common = first.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
    format!("bloodbank:correlation:*:{}*", &first[..common])
}

/// The event of a key.
pub(super) fn event_of_key(key: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(key.get(Key::PREFIX..)?).ok()
}

/// The value under a forward key, as Python reads it: hyphenated ids, a time without an offset.
#[derive(Serialize)]
struct Written<'a> {
    parent_event_ids: &'a [Uuid],
    #[serde(serialize_with = "naive")]
    created_at: DateTime<Utc>,
    metadata: Metadata<'a>,
}

/// The metadata, in the order of the names, as a map has it.
#[derive(Serialize)]
#[serde(untagged)]
enum Metadata<'a> {
    Ours {
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        event_type: Option<&'a str>,
    },
    /// Metadata with members from the publisher.
    More(Map<String, Value>),
}

/// Serialises a time as Python's `datetime.utcnow().isoformat()` does, without an offset: Python cannot compare a time
/// that has one with its own.
fn naive<S: serde::Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(text) = envelope::time_text(time) else {
        return serializer.collect_str(&time.format("%Y-%m-%dT%H:%M:%S%.6f"));
    };
    let shown = if time.timestamp_subsec_micros() == 0 { &text[..19] } else { &text[..26] };
    serializer.serialize_str(std::str::from_utf8(shown).unwrap_or_default())
}

/// Encodes the value under the forward key.
pub(super) fn encode(link: &CausationLink, into: &mut Vec<u8>) {
    let metadata = match &link.metadata {
        None => Metadata::Ours { app: link.app.as_deref(), event_type: link.event_type.as_deref() },
        Some(_) => Metadata::More(link.entry().metadata),
    };
    let written = Written { parent_event_ids: &link.parents, created_at: link.created_at, metadata };
    if let Err(error) = serde_json::to_writer(into, &written) {
        unreachable!("ids, a time and JSON are JSON: {error}");
    }
}

#[derive(Deserialize)]
struct StoredLink {
    parent_event_ids: Vec<String>,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    metadata: Value,
}

/// Decodes a value as far as it can be understood; also returns what is wrong with the rest. Only the parents are
/// essential.
pub(super) fn decode(value: &[u8]) -> (Option<LinkEntry>, Option<String>) {
    let stored: StoredLink = match serde_json::from_slice(value) {
        Ok(stored) => stored,
        Err(error) => return (None, Some(format!("no correlation: {error}"))),
    };
    let (parents, problem) = ids(stored.parent_event_ids.iter().map(|id| id.as_bytes()));
    let entry = LinkEntry {
        parents,
        created_at: stored.created_at.as_str().and_then(envelope::parse_time),
        metadata: match stored.metadata {
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

    fn encode(link: &CausationLink) -> String {
        let mut value = Vec::new();
        super::encode(link, &mut value);
        String::from_utf8(value).unwrap()
    }

    fn link(micros: u32) -> CausationLink {
        CausationLink {
            child: Uuid::from_u128(3),
            parents: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
            event_type: Some(Arc::from("orders.order.placed")),
            created_at: DateTime::from_timestamp(1_760_788_800, micros * 1000).unwrap(),
            app: Some(Arc::from("shop")),
            metadata: None,
        }
    }

    #[test]
    fn keys_are_those_of_python() {
        let event = Uuid::from_u128(0xa1);
        let keys = [forward_key(event), reverse_key(event)].map(|key| key.to_string());
        assert_eq!(keys[0], "bloodbank:correlation:forward:00000000-0000-0000-0000-0000000000a1");
        assert_eq!(keys[1], "bloodbank:correlation:reverse:00000000-0000-0000-0000-0000000000a1");
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
    fn what_a_publisher_says_stands_among_ours() {
        let mut link = link(0);
        link.metadata = Some(Map::from_iter([("carrier".to_owned(), "post".into())]));
        link.app = None;
        assert!(encode(&link).ends_with(r#""metadata":{"carrier":"post","event_type":"orders.order.placed"}}"#));
        link.metadata = None;
        assert!(encode(&link).ends_with(r#""metadata":{"event_type":"orders.order.placed"}}"#));
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
