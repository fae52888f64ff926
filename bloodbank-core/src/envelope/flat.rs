//! The flat envelope of the first Python version: `id`, `ts`, `data`, a text as `source`.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ENVELOPE_VERSION, EventEnvelope, RawEnvelope, Source, TriggerType, time};
use crate::json::{self, JsonFault};

#[derive(Deserialize)]
struct Flat<T> {
    id: Uuid,
    #[serde(deserialize_with = "time::deserialize")]
    ts: DateTime<Utc>,
    event_type: String,
    source: String,
    /// The correlation id as it was given: not every publisher had a UUID.
    #[serde(default)]
    correlation_id: Option<String>,
    data: T,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// The members that tell a flat envelope from all others.
#[derive(Deserialize)]
struct Marks {
    #[expect(dead_code, reason = "it has to be there")]
    ts: IgnoredAny,
    #[expect(dead_code, reason = "it has to be there")]
    data: IgnoredAny,
    event_id: Option<IgnoredAny>,
    payload: Option<IgnoredAny>,
}

/// Reads a flat envelope; `None` if the body is not one. Fields that have no place in a current envelope are kept in
/// `source.meta`.
pub(super) fn read(body: &[u8]) -> Option<Result<RawEnvelope<'_>, JsonFault>> {
    let marks: Marks = serde_json::from_slice(body).ok()?;
    if marks.event_id.is_some() || marks.payload.is_some() {
        return None;
    }
    Some(json::read(body).and_then(Flat::modern))
}

/// Whether a tree is a flat envelope of the first Python version: `id`, `ts`, `data`.
#[must_use]
pub fn is_flat(tree: &Value) -> bool {
    let has = |name: &str| tree.get(name).is_some();
    has("ts") && has("data") && !has("event_id") && !has("payload")
}

/// Reads a flat envelope from a tree.
pub(super) fn read_tree(tree: Value) -> Result<EventEnvelope<Value>, JsonFault> {
    json::read_tree(tree).and_then(Flat::modern)
}

impl<T> Flat<T> {
    fn modern(self) -> Result<EventEnvelope<T>, JsonFault> {
        if self.id.is_nil() {
            return Err(JsonFault::new("/id", "is the nil id, which is no event's"));
        }
        let parent = self.correlation_id.as_deref().map(Uuid::parse_str);
        let mut meta = Map::new();
        let mut keep = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                meta.insert(name.to_owned(), value.into());
            }
        };
        keep("project", self.project);
        keep("working_dir", self.working_dir);
        keep("domain", self.domain);
        if matches!(parent, Some(Err(_))) {
            keep("correlation_id", self.correlation_id);
        }
        if !self.tags.is_empty() {
            meta.insert("tags".to_owned(), self.tags.into_iter().map(Value::String).collect());
        }
        Ok(EventEnvelope {
            event_id: self.id,
            event_type: self.event_type,
            timestamp: self.ts,
            version: Cow::Borrowed(ENVELOPE_VERSION),
            source: source(self.source, meta),
            correlation_ids: parent.and_then(Result::ok).into_iter().collect(),
            agent_context: None,
            payload: self.data,
        })
    }
}

/// The source from its text form, `http/10.0.0.1`, `cli/claude`, `mcp/bloodbank` or `n8n`: the trigger, and the whole
/// text as the program.
fn source(text: String, meta: Map<String, Value>) -> Source {
    let way = text.split('/').next().unwrap_or_default();
    let trigger = match way {
        "http" => TriggerType::Hook,
        "cli" => TriggerType::Manual,
        "mcp" => TriggerType::Agent,
        _ => TriggerType::Other("unknown".to_owned()),
    };
    let meta = (!meta.is_empty()).then_some(meta);
    Source { host: "unknown".to_owned(), trigger, app: Some(text), meta }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> crate::Result<EventEnvelope<Value>> {
        let body = body.to_string();
        let raw = RawEnvelope::read(body.as_bytes())?;
        let payload = serde_json::from_str(raw.payload.get()).unwrap();
        Ok(raw.map(|_| payload))
    }

    fn flat() -> Value {
        json!({"id": Uuid::from_u128(1), "ts": "2025-10-06T12:00:00Z", "event_type": "a.b", "source": "cli/claude", "data": {"x": 1}})
    }

    #[test]
    fn what_has_a_place_goes_there_and_the_rest_is_kept() {
        let mut body = flat();
        body["correlation_id"] = json!("workflow-7");
        body["tags"] = json!(["one"]);
        body["project"] = json!("garden");
        let envelope = read(&body).unwrap();
        assert_eq!((envelope.event_id, &*envelope.event_type), (Uuid::from_u128(1), "a.b"));
        assert_eq!(
            (envelope.timestamp.to_rfc3339(), &envelope.payload),
            ("2025-10-06T12:00:00+00:00".into(), &json!({"x": 1}))
        );
        assert_eq!(envelope.source.trigger, TriggerType::Manual);
        assert_eq!(envelope.source.app.as_deref(), Some("cli/claude"));
        let meta = json!({"project": "garden", "tags": ["one"], "correlation_id": "workflow-7"});
        assert_eq!(Value::from(envelope.source.meta.unwrap()), meta);
        assert!(envelope.correlation_ids.is_empty());

        body["correlation_id"] = json!(Uuid::from_u128(9));
        let envelope = read(&body).unwrap();
        assert_eq!(envelope.correlation_ids, [Uuid::from_u128(9)]);
        assert_eq!(envelope.source.meta.unwrap().get("correlation_id"), None);
    }

    #[test]
    fn a_fault_is_that_of_the_envelope_it_is_nearest_to() {
        let fault = |body: &Value| {
            let error = read(body).unwrap_err();
            std::error::Error::source(&error).unwrap().to_string()
        };
        for (id, expected) in [(json!("n8n-7"), "UUID parsing failed"), (json!(Uuid::nil()), "the nil id")] {
            let mut body = flat();
            body["id"] = id;
            assert!(fault(&body).contains(expected), "{}", fault(&body));
        }
        // Names of both: an envelope of today with something wrong.
        let mut body = flat();
        body["payload"] = json!({});
        assert!(fault(&body).contains("struct Source"), "{}", fault(&body));
        assert!(fault(&json!({"hello": "world"})).contains("missing field"));
    }

    #[test]
    fn an_envelope_of_today_may_have_fields_of_these_names() {
        let body = json!({
            "event_id": Uuid::from_u128(2), "event_type": "a.b", "timestamp": "2025-10-18T12:00:00", "payload": {},
            "id": 5, "ts": 6, "data": [7],
        });
        assert_eq!(read(&body).unwrap().event_id, Uuid::from_u128(2));
    }
}
