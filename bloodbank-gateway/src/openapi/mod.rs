//! The OpenAPI document, made from the endpoints and the registered events.

mod components;

use bloodbank_core::Registry;
pub(crate) use components::publish_parameters;
use serde_json::{Map, Value, json};

use crate::gateway::Gateway;

/// Makes the OpenAPI 3.1 document of a gateway: its endpoints, with a path for every registered event.
///
/// ```
/// # use bloodbank_core::Bus;
/// # use bloodbank_gateway::{Gateway, openapi_document};
/// # use bloodbank_embedded as _;
/// let document = openapi_document(&Gateway::builder(Bus::embedded()).build());
/// assert_eq!(document["openapi"], "3.1.0");
/// ```
#[must_use]
pub fn openapi_document(gateway: &Gateway) -> Value {
    let registry = Registry::global();
    let mut paths = Map::new();
    for endpoint in gateway.specs() {
        for (path, operation) in endpoint.operations(registry) {
            let method = endpoint.method.as_str().to_ascii_lowercase();
            paths.entry(path).or_insert_with(|| json!({}))[&method] = operation.into_value(endpoint.access);
        }
    }
    let tags: Vec<_> = registry.domains().map(|domain| json!({ "name": domain })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bloodbank gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Publishes and streams every registered event over HTTP. A refused request is answered with `application/problem+json` (RFC 9457), which has a JSON pointer to each invalid field.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "security": [{}, { "bearer": [] }],
        "paths": paths,
        "components": components::components(registry),
    })
}
