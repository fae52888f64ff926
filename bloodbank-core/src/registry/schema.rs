//! JSON Schemas of events, and checks of payloads against them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use parking_lot::Mutex;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::Value;

use super::EventDescriptor;
use crate::envelope::parse_time;
use crate::error::{Error, ErrorKind, MOST_FAULTS, PayloadFault, Result, more_faults};

/// The formats that are left to the rules of the type: two opinions about what an address or a URL is would refuse what
/// may be published.
const UNCHECKED_FORMATS: [&str; 6] = ["email", "idn-email", "uri", "uri-reference", "iri", "iri-reference"];

/// The JSON Schema of a type, draft 2020-12.
pub(super) fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// Checks a payload against the schema; the error names the JSON pointer of every fault.
pub(super) fn check(descriptor: &EventDescriptor, key: &str, payload: &Value) -> Result<()> {
    let validator = compiled(descriptor)?;
    // Collecting faults costs more than finding out that there is none.
    if validator.is_valid(payload) {
        return Ok(());
    }
    let mut found = validator.iter_errors(payload);
    let faults: Vec<_> = found
        .by_ref()
        .take(MOST_FAULTS)
        .map(|fault| PayloadFault { pointer: fault.instance_path().to_string(), detail: detail(descriptor, &fault) })
        .collect();
    let omitted = found.count();
    let sentences: Vec<_> = faults.iter().map(|fault| format!("{:?}: {}", fault.pointer, fault.detail)).collect();
    Err(Error::new(
        ErrorKind::InvalidPayload,
        format!(
            "payload of `{key}` does not fit the schema of `{}` at {}{}",
            descriptor.declaration().name,
            sentences.join("; at "),
            more_faults(omitted),
        ),
    )
    .with_faults(faults)
    .with_omitted_faults(omitted))
}

/// The description of a fault, without the value. For a word that is not one of several, it lists those.
fn detail(descriptor: &EventDescriptor, fault: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } = fault.kind() {
        let schema = descriptor.schema().to_value();
        let choices = schema.pointer(&fault.schema_path().to_string()).and_then(Value::as_array);
        if let Some(words) = choices.and_then(|choices| words(choices)) {
            return format!("value is none of {}", words.join(", "));
        }
    }
    fault.masked().to_string()
}

/// The allowed words, if all choices are words.
fn words(choices: &[Value]) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for choice in choices {
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.to_string()),
            (None, Some(several)) => words.extend(several.iter().map(Value::to_string)),
            (None, None) => return None,
        }
    }
    Some(words)
}

/// The compiled schema of an event. Compiling costs much more than checking: each schema is compiled once.
fn compiled(descriptor: &EventDescriptor) -> Result<Arc<Validator>> {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let known = COMPILED.lock().get(descriptor.routing_key()).cloned();
    if let Some(compiled) = known {
        return Ok(compiled);
    }
    let options = jsonschema::options().should_validate_formats(true);
    // As the types read it, which is more than the format allows.
    let options = options.with_format("date-time", |text: &str| parse_time(text).is_some());
    let options =
        UNCHECKED_FORMATS.into_iter().fold(options, |options, format| options.with_format(format, |_: &str| true));
    let compiled = options.build(&descriptor.schema().to_value()).map_err(|error| {
        Error::new(
            ErrorKind::Registry,
            format!("the schema of `{}` is no valid JSON Schema: {error}", descriptor.routing_key()),
        )
    })?;
    let compiled = Arc::new(compiled);
    COMPILED.lock().insert(descriptor.routing_key(), Arc::clone(&compiled));
    Ok(compiled)
}
