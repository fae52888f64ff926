//! Resources: the schema of each event, and the events as an AsyncAPI document, which has who sends and receives what.

use bloodbank_core::Registry;
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents},
};
use serde_json::Value;

use crate::asyncapi;

const SCHEMAS: &str = "bloodbank://schemas/";
const FLOW: &str = "bloodbank://asyncapi";

pub(super) fn all(registry: &Registry) -> Vec<Resource> {
    let schemas = registry.events().iter().map(|event| {
        Resource::new(format!("{SCHEMAS}{}", address(event.routing_key())), event.routing_key())
            .with_title(event.declaration().name)
            .with_description(event.declaration().docs.trim())
            .with_mime_type("application/schema+json")
    });
    let flow = Resource::new(FLOW, "asyncapi")
        .with_title("Events and who sends and receives them")
        .with_description("An AsyncAPI document of every registered event, subscriber and executor.")
        .with_mime_type("application/json");
    schemas.chain([flow]).collect()
}

pub(super) fn read(registry: &Registry, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (content, media_type) = if uri == FLOW {
        (asyncapi::document(registry), "application/json")
    } else {
        (schema(registry, uri)?, "application/schema+json")
    };
    let contents = ResourceContents::text(content.to_string(), uri).with_mime_type(media_type);
    Ok(ReadResourceResult::new(vec![contents]))
}

fn schema(registry: &Registry, uri: &str) -> Result<Value, ErrorData> {
    let event = uri.strip_prefix(SCHEMAS).and_then(|name| {
        registry.events().iter().find(|event| address(event.routing_key()) == name || event.routing_key() == name)
    });
    event
        .map(|event| event.schema().to_value())
        .ok_or_else(|| ErrorData::resource_not_found("no such resource; `resources/list` names them", None))
}

/// Braces do not stand in addresses.
fn address(key: &str) -> String {
    key.replace('{', "%7B").replace('}', "%7D")
}
