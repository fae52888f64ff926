//! The components that operations share.

use serde_json::{Value, json};

use super::answers::{answers, envelopes};
use crate::{
    operation::component,
    publish::MOST_PARENTS,
    schemas::{self, Schemas},
};

/// The options that every request to publish one event has.
pub(crate) fn publish_parameters() -> [Value; 4] {
    ["EventId", "CorrelationIds", "IdempotencyKey", "Traceparent"].map(|name| component("parameters", name))
}

/// The components of the document, as an OpenAPI Components Object.
pub(super) fn components(needs_token: bool) -> Value {
    let mut all = answers();
    all.extend(
        envelopes()
            .into_iter()
            .chain([("PublishRequest", publish_request()), ("Problem", problem()), ("FieldError", field_error())])
            .map(|(name, schema)| (name.to_owned(), schema)),
    );
    for (name, schema) in &mut all {
        schema["title"] = name.as_str().into();
    }
    all.extend(Schemas::global().components());
    let mut components = json!({
        "schemas": all,
        "parameters": parameters(),
        "responses": {
            "Problem": {
                "description": "The request was refused. The body tells why.",
                "content": { "application/problem+json": { "schema": component("schemas", "Problem") } },
            },
        },
    });
    if needs_token {
        components["securitySchemes"] = json!({
            "bearer": { "type": "http", "scheme": "bearer", "description": "A token of the gateway." },
            "basic": {
                "type": "http", "scheme": "basic",
                "description": "A token of the gateway as the password. The name of the user does not matter.",
            },
        });
    }
    components
}

/// The parameters that several operations share, by their names in the document.
pub(super) fn parameters() -> Value {
    json!({
        "EventId": {
            "name": "event_id", "in": "query",
            "description": "The id of the event. May also be sent as the header `Event-Id`.",
            "schema": { "type": "string", "format": "uuid" },
        },
        "CorrelationIds": {
            "name": "correlation_ids", "in": "query", "explode": false,
            "description": "The ids of the events that caused this one. May also be sent as the header `Correlation-Ids`, with commas between them.",
            "schema": { "type": "array", "items": { "type": "string", "format": "uuid" }, "maxItems": MOST_PARENTS },
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header",
            "description": "Requests of one client with the same key publish the same event.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        },
        "Traceparent": {
            "name": "traceparent", "in": "header", "description": "The W3C trace context that the event belongs to.",
            "schema": { "type": "string" },
        },
        "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } },
    })
}

fn publish_request() -> Value {
    let mut schema = schemas::envelope();
    schema["description"] = "An envelope. The gateway fills in the fields that are left out.".into();
    schema["required"] = json!(["event_type", "payload"]);
    schema
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "event_id": { "type": "string", "format": "uuid", "description": "The id of the event that may be on the bus, under which it can be published again." },
            "omitted_errors": { "type": "integer", "description": "The number of invalid fields beyond those in `errors`." },
            "errors": { "type": "array", "items": component("schemas", "FieldError") },
        },
    })
}

fn field_error() -> Value {
    json!({
        "type": "object",
        "description": "What is wrong with a field.",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": { "type": "string", "description": "A JSON pointer to the invalid field in the body." },
            "detail": { "type": "string" },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::schemas::RESERVED;

    #[test]
    fn no_event_can_take_the_name_of_a_component() {
        let of_events = Schemas::global().components();
        let Value::Object(schemas) = components(true)["schemas"].take() else { panic!("no schemas") };
        let names: BTreeSet<_> =
            schemas.keys().filter(|name| !of_events.contains_key(*name)).map(String::as_str).collect();
        let reserved: BTreeSet<_> = RESERVED.into_iter().filter(|name| *name != "batch").collect();
        assert_eq!(names, reserved);
    }
}
