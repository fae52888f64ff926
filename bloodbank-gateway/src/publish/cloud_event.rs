//! CloudEvents 1.0: what they are as events of ours.

use axum::http::HeaderMap;
use bloodbank_core::{
    envelope::{Source, TriggerType},
    event_id,
    publish::TraceContext,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::submission::{Submission, fault};
use crate::problem::{Problem, ProblemFault};

/// The media type of one in structured mode.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of several.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// One in structured mode: attributes and data in one object.
pub(crate) fn structured(value: Value) -> Result<Submission, Problem> {
    let Value::Object(mut event) = value else {
        return Err(Problem::invalid("a CloudEvent is a JSON object", vec![fault("", "is no object")]));
    };
    if event.contains_key("data_base64") {
        let faults = vec![fault("/data_base64", "is binary; send JSON in `data`")];
        return Err(Problem::invalid("the data of an event is JSON", faults));
    }
    let data = event.remove("data").unwrap_or(Value::Null);
    let text = |name: &str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(fault(&format!("/{name}"), "is no text")),
    };
    submission(text, data, "/data")
}

/// One in binary mode: attributes in headers, data in the body.
pub(crate) fn binary(headers: &HeaderMap, data: Value) -> Result<Submission, Problem> {
    let text = |name: &str| match headers.get(format!("ce-{name}")).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => Err(fault("", &format!("the header `ce-{name}` is not ASCII"))),
    };
    submission(text, data, "")
}

fn submission(
    text: impl Fn(&str) -> Result<Option<String>, ProblemFault>,
    data: Value,
    pointer: &'static str,
) -> Result<Submission, Problem> {
    let mut faults = Vec::new();
    let mut read = |name: &str, required: bool| match text(name) {
        Ok(Some(text)) if !text.is_empty() => Some(text),
        Ok(_) => {
            if required {
                faults.push(fault(&format!("/{name}"), "is missing"));
            }
            None
        }
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let version = read("specversion", true);
    let (id, source, key) = (read("id", true), read("source", true), read("type", true));
    let time = read("time", false);
    let parents = read("correlationids", false).unwrap_or_default();
    let trace = read("traceparent", false).map(|parent| TraceContext { parent, state: None });
    if version.is_some_and(|version| version != "1.0") {
        faults.push(fault("/specversion", "is not 1.0"));
    }
    let time: Option<DateTime<Utc>> = time.and_then(|time| {
        let parsed = DateTime::parse_from_rfc3339(&time).ok();
        if parsed.is_none() {
            faults.push(fault("/time", "is no time as RFC 3339 has it"));
        }
        parsed.map(|time| time.to_utc())
    });
    let mut causes = Vec::new();
    for parent in parents.split(',').map(str::trim).filter(|parent| !parent.is_empty()) {
        match Uuid::parse_str(parent) {
            Ok(parent) => causes.push(parent),
            Err(_) => faults.push(fault("/correlationids", "has something that is no UUID")),
        }
    }
    let (Some(id), Some(source), Some(key), true) = (id, source, key, faults.is_empty()) else {
        return Err(Problem::invalid("this is no CloudEvent of version 1.0", faults));
    };
    // Source and id together name a CloudEvent.
    let event_id = match Uuid::parse_str(&id) {
        Ok(id) if !id.is_nil() => id,
        _ => event_id::in_namespace("cloudevents", &source, &id),
    };
    Ok(Submission {
        event_id: Some(event_id),
        timestamp: time,
        source: Some(Source {
            meta: Some(Map::from_iter([("cloudevents_source".to_owned(), Value::from(source.as_str()))])),
            ..Source::new(TriggerType::Hook, source)
        }),
        causes,
        trace,
        pointer,
        ..Submission::payload(key, data)
    })
}
