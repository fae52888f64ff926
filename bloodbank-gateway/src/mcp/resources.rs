//! The resources: the schema of each event, and the AsyncAPI document, which tells who sends and receives what.

use bloodbank_core::{Registry, Settings};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents},
};
use serde_json::Value;

use crate::asyncapi::asyncapi_document;

const SCHEMAS: &str = "bloodbank://schemas/";
const ASYNCAPI: &str = "bloodbank://asyncapi";

pub(super) fn all(registry: &Registry) -> Vec<Resource> {
    let schemas = registry.events().iter().map(|event| {
        Resource::new(format!("{SCHEMAS}{}", address(event.routing_key())), event.routing_key())
            .with_title(event.declaration().name)
            .with_description(event.declaration().docs.trim())
            .with_mime_type("application/schema+json")
    });
    let asyncapi = Resource::new(ASYNCAPI, "asyncapi")
        .with_title("Events, their publishers and their receivers")
        .with_description("The AsyncAPI document of every registered event, subscriber and executor.")
        .with_mime_type("application/json");
    schemas.chain([asyncapi]).collect()
}

pub(super) fn read(registry: &Registry, settings: &Settings, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let (content, media_type) = if uri == ASYNCAPI {
        (asyncapi_document(registry, settings), "application/json")
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
    event.map(|event| event.schema().to_value()).ok_or_else(|| {
        ErrorData::resource_not_found("no resource has this URI; `resources/list` lists the resources", None)
    })
}

/// Encodes the braces of a key, which an address may not have.
fn address(key: &str) -> String {
    key.replace('{', "%7B").replace('}', "%7D")
}
