//! CloudEvents 1.0, read as requests to publish.

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bloodbank_core::{
    envelope::{Source, TriggerType},
    event_id,
    publish::TraceContext,
};
use chrono::{DateTime, Utc};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::request::PublishRequest;
use crate::{
    body::parse_json,
    limits::Limits,
    problem::{FieldError, Problem},
    stream::EXTENSIONS,
};

/// The media type of a CloudEvent in structured mode.
pub(crate) const STRUCTURED: &str = "application/cloudevents+json";
/// The media type of a batch of CloudEvents.
pub(crate) const BATCH: &str = "application/cloudevents-batch+json";

/// The attributes that have a place of their own; all others are extensions.
const ATTRIBUTES: [&str; 11] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "datacontenttype",
    "data",
    "data_base64",
    "correlationids",
    "traceparent",
    "tracestate",
];

/// Reads a CloudEvent in structured mode: attributes and data in one object.
pub(crate) fn structured(value: Value, limits: &Limits) -> Result<PublishRequest, Problem> {
    let Value::Object(mut event) = value else {
        return Err(Problem::invalid("a CloudEvent is a JSON object", vec![FieldError::new("", "is not an object")]));
    };
    let (data, pointer) = match (event.remove("data"), event.remove("data_base64")) {
        (Some(_), Some(_)) => {
            let errors = vec![FieldError::new("/data_base64", "is there beside `data`")];
            return Err(Problem::invalid("a CloudEvent has its data once", errors));
        }
        (data, None) => (data.unwrap_or(Value::Null), "/data"),
        (None, Some(encoded)) => (decoded(&encoded, limits)?, "/data_base64"),
    };
    let text = |name: &str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FieldError::new(format!("/{name}"), "is not text")),
    };
    let extensions = event.iter().filter(|(name, value)| !ATTRIBUTES.contains(&name.as_str()) && !value.is_null());
    let extensions = extensions.map(|(name, value)| (name.clone(), value.clone())).collect();
    request(text, extensions, data, pointer)
}

/// The JSON of data that is encoded in base64.
fn decoded(encoded: &Value, limits: &Limits) -> Result<Value, Problem> {
    let fault =
        |detail: &str| Problem::invalid("the data of an event is JSON", vec![FieldError::new("/data_base64", detail)]);
    let encoded = encoded.as_str().ok_or_else(|| fault("is not text"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| fault("is not base64"))?;
    parse_json(&bytes, limits).map_err(|problem| problem.below("/data_base64"))
}

/// Reads a CloudEvent in binary mode: attributes in headers, which are percent-encoded, and data in the body.
pub(crate) fn binary(headers: &HeaderMap, data: Value) -> Result<PublishRequest, Problem> {
    let (mut attributes, mut errors) = (Map::new(), Vec::new());
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("ce-") else { continue };
        match percent_decode(value.as_bytes()).decode_utf8() {
            Ok(text) => drop(attributes.insert(name.to_owned(), text.into_owned().into())),
            Err(_) => errors.push(FieldError::new("", format!("the header `{header}` is not UTF-8"))),
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid("the headers are not those of a CloudEvent of version 1.0", errors));
    }
    let text = |name: &str| Ok(attributes.get(name).and_then(Value::as_str).map(str::to_owned));
    let extensions = attributes.iter().filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
    let extensions = extensions.map(|(name, value)| (name.clone(), value.clone())).collect();
    request(text, extensions, data, "")
}

fn request(
    text: impl Fn(&str) -> Result<Option<String>, FieldError>,
    extensions: Map<String, Value>,
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
    let state = read("tracestate", false);
    let trace = read("traceparent", false).map(|parent| TraceContext { parent, state });
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
    let mut meta = Map::from_iter([("cloudevents_source".to_owned(), Value::from(source.as_str()))]);
    if !extensions.is_empty() {
        meta.insert(EXTENSIONS.to_owned(), extensions.into());
    }
    // Source and id together identify a CloudEvent.
    let event_id = match Uuid::parse_str(&id) {
        Ok(id) if !id.is_nil() => id,
        _ => event_id::in_namespace("cloudevents", &source, &id),
    };
    Ok(PublishRequest {
        event_id: Some(event_id),
        timestamp: time,
        source: Some(Source { meta: Some(meta), ..Source::new(TriggerType::Hook, source) }),
        causes,
        trace,
        pointer,
        ..PublishRequest::payload(key, data)
    })
}
