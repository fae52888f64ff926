//! The OpenAPI document, made from the endpoints and the registered events.

mod answers;
mod components;
mod json_first;

use std::{collections::BTreeSet, sync::Arc};

use bloodbank_core::Registry;
pub(crate) use components::publish_parameters;
pub use json_first::JsonFirst;
use serde_json::{Map, Value, json};

use crate::{endpoint::EndpointSpec, gateway::Gateway};

/// Makes the OpenAPI 3.1 document of a gateway: its endpoints, with a path for every registered event.
///
/// Write it with [`JsonFirst`], which generators of clients rely on.
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
    let needs_token = !gateway.tokens().is_empty();
    let mut paths = Map::new();
    for endpoint in gateway.specs() {
        for (path, operation) in endpoint.operations(registry) {
            let method = endpoint.method.as_str().to_ascii_lowercase();
            paths.entry(path).or_insert_with(|| json!({}))[&method] =
                operation.into_value(endpoint.access, needs_token);
        }
    }
    let tags: Vec<_> = registry.domains().map(|domain| json!({ "name": domain })).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bloodbank gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Publishes and streams every registered event over HTTP. A refused request is answered with `application/problem+json` (RFC 9457), which has a JSON pointer to each invalid field.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": components::components(needs_token),
    });
    if needs_token {
        document["security"] = json!([{ "bearer": [] }, { "basic": [] }]);
    }
    document
}

/// The names of the query parameters that an endpoint declares.
pub(crate) fn query_names(endpoint: &EndpointSpec) -> Arc<[String]> {
    let shared = components::parameters();
    let mut names = BTreeSet::new();
    for (_, operation) in endpoint.operations(Registry::global()) {
        for parameter in operation.declared_parameters() {
            let reference = parameter["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
            let parameter = reference.map_or(parameter, |name| &shared[name]);
            if parameter["in"] == "query" {
                names.extend(parameter["name"].as_str().map(str::to_owned));
            }
        }
    }
    names.into_iter().collect()
}
