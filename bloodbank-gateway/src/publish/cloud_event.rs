//! CloudEvents 1.0, read as requests to publish.

use axum::http::HeaderMap;
use bloodbank_core::{
    envelope::{Source, TriggerType},
    event_id,
    publish::TraceContext,
};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::request::PublishRequest;
use crate::problem::{FieldError, Problem};

/// The media type of a CloudEvent in structured mode.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of a batch of CloudEvents.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// Reads a CloudEvent in structured mode: attributes and data in one object.
pub(crate) fn structured(value: Value) -> Result<PublishRequest, Problem> {
    let Value::Object(mut event) = value else {
        return Err(Problem::invalid("a CloudEvent is a JSON object", vec![FieldError::new("", "is not an object")]));
    };
    if event.contains_key("data_base64") {
        let errors = vec![FieldError::new("/data_base64", "is binary; send JSON in `data`")];
        return Err(Problem::invalid("the data of an event is JSON", errors));
    }
    let data = event.remove("data").unwrap_or(Value::Null);
    let text = |name: &str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FieldError::new(format!("/{name}"), "is not text")),
    };
    request(text, data, "/data")
}

/// Reads a CloudEvent in binary mode: attributes in headers, data in the body.
pub(crate) fn binary(headers: &HeaderMap, data: Value) -> Result<PublishRequest, Problem> {
    let text = |name: &str| match headers.get(format!("ce-{name}")).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => Err(FieldError::new("", format!("the header `ce-{name}` is not ASCII"))),
    };
    request(text, data, "")
}

fn request(
    text: impl Fn(&str) -> Result<Option<String>, FieldError>,
    data: Value,
    pointer: &'static str,
) -> Result<PublishRequest, Problem> {
    let mut errors = Vec::new();
    let mut read = |name: &str, required: bool| match text(name) {
        Ok(Some(text)) if !text.is_empty() => Some(text),
        Ok(_) => {
            if required {
                errors.push(FieldError::new(format!("/{name}"), "is missing"));
            }
            None
        }
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let version = read("specversion", true);
    let (id, source, key) = (read("id", true), read("source", true), read("type", true));
    let time = read("time", false);
    let parents = read("correlationids", false).unwrap_or_default();
    let trace = read("traceparent", false).map(|parent| TraceContext { parent, state: None });
    if version.is_some_and(|version| version != "1.0") {
        errors.push(FieldError::new("/specversion", "is not 1.0"));
    }
    let time: Option<DateTime<Utc>> = time.and_then(|time| {
        let parsed = DateTime::parse_from_rfc3339(&time).ok();
        if parsed.is_none() {
            errors.push(FieldError::new("/time", "is not a time in the form of RFC 3339"));
        }
        parsed.map(|time| time.to_utc())
    });
    let mut causes = Vec::new();
    for parent in parents.split(',').map(str::trim).filter(|parent| !parent.is_empty()) {
        match Uuid::parse_str(parent) {
            Ok(parent) => causes.push(parent),
            Err(_) => errors.push(FieldError::new("/correlationids", "has an id that is not a UUID")),
        }
    }
    let (Some(id), Some(source), Some(key), true) = (id, source, key, errors.is_empty()) else {
        return Err(Problem::invalid("the body is not a valid CloudEvent of version 1.0", errors));
    };
    // Source and id together identify a CloudEvent.
    let event_id = match Uuid::parse_str(&id) {
        Ok(id) if !id.is_nil() => id,
        _ => event_id::in_namespace("cloudevents", &source, &id),
    };
    Ok(PublishRequest {
        event_id: Some(event_id),
        timestamp: time,
        source: Some(Source {
            meta: Some(Map::from_iter([("cloudevents_source".to_owned(), Value::from(source.as_str()))])),
            ..Source::new(TriggerType::Hook, source)
        }),
        causes,
        trace,
        pointer,
        ..PublishRequest::payload(key, data)
    })
}
