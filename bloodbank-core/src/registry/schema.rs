//! JSON Schemas of events, and checking payloads against them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::Value;

use crate::{
    error::{Error, ErrorKind, PayloadFault, Result},
    registry::EventDescriptor,
};

/// The JSON Schema of a type, draft 2020-12.
pub(super) fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

/// Checks a payload; the error names the JSON pointer of every fault.
pub(super) fn check(descriptor: &EventDescriptor, key: &str, payload: &Value) -> Result<()> {
    let validator = validator(descriptor)?;
    let faults: Vec<_> = validator
        .iter_errors(payload)
        .map(|fault| PayloadFault { pointer: fault.instance_path().to_string(), detail: fault.masked().to_string() })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let sentences: Vec<_> = faults.iter().map(|fault| format!("{:?}: {}", fault.pointer, fault.detail)).collect();
    Err(Error::new(
        ErrorKind::InvalidPayload,
        format!(
            "payload of `{key}` does not fit the schema of `{}` at {}",
            descriptor.declaration().name,
            sentences.join("; at ")
        ),
    )
    .with_faults(faults))
}

/// Compiling a schema costs much more than checking against it: each is compiled once.
fn validator(descriptor: &EventDescriptor) -> Result<Arc<Validator>> {
    static VALIDATORS: LazyLock<Mutex<HashMap<&'static str, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let known = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner).get(descriptor.routing_key()).cloned();
    if let Some(validator) = known {
        return Ok(validator);
    }
    let schema = descriptor.schema().to_value();
    let options = jsonschema::options().should_validate_formats(true);
    // What an address or a URL is, the rules of the type say: two opinions would refuse what may be published.
    let options = ["email", "idn-email", "uri", "uri-reference", "iri", "iri-reference"]
        .into_iter()
        .fold(options, |options, format| options.with_format(format, |_: &str| true));
    let validator = options.build(&schema).map_err(|error| {
        Error::new(
            ErrorKind::Registry,
            format!("the schema of `{}` is no valid JSON Schema: {error}", descriptor.routing_key()),
        )
    })?;
    let validator = Arc::new(validator);
    VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner).insert(descriptor.routing_key(), Arc::clone(&validator));
    Ok(validator)
}
