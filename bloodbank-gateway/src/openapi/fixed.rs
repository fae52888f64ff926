//! The endpoints that are there whatever is registered.

use serde_json::{Map, Value, json};

use super::components::{options, problems, reference};

/// Their paths.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    let mut add = |path: &str, method: &str, operation: Value| {
        paths.insert(path.to_owned(), json!({ method: operation }));
    };
    add("/healthz", "get", get("health", "Whether the process answers", json!([]), object(), &[503]));
    let mut ready = get("ready", "Whether the bus, correlation and workers are there", json!([]), object(), &[]);
    ready["responses"]["503"] = json!({ "description": "Not ready.", "content": content(object()) });
    add("/readyz", "get", ready);
    add("/events/custom", "post", custom());
    add("/events/batch", "post", batch());
    add("/events/stream", "get", stream());
    let id = || json!([reference("parameters", "Id")]);
    add("/commands/{id}", "get", get("command", "What became of a command", id(), object(), &[400, 401, 404, 503]));
    let debug = [400, 401, 403, 404, 503];
    add(
        "/debug/correlation/{id}",
        "get",
        get(
            "correlation",
            "Everything that is known about what caused an event and what it caused",
            id(),
            object(),
            &debug,
        ),
    );
    add("/debug/correlation/{id}/dump", "get", get("correlation_dump", "The same", id(), object(), &debug));
    let chain = json!([
        reference("parameters", "Id"),
        { "name": "direction", "in": "query", "schema": { "enum": ["ancestors", "descendants"] } },
        { "name": "max_depth", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 10000 } },
    ]);
    let summary = "What led to an event, or what it led to";
    add("/debug/correlation/{id}/chain", "get", get("correlation_chain", summary, chain, object(), &debug));
    add("/debug/correlation/{id}/graph", "get", graph(&debug));
    let whole = json!({ "name": "whole", "in": "query", "description": "With headers and message.", "schema": { "type": "boolean" } });
    let dry =
        json!({ "name": "dry_run", "in": "query", "description": "Nothing changes.", "schema": { "type": "boolean" } });
    let summary = "What a subscriber gave up, the oldest first";
    add("/dead-letters/{queue}", "get", get("dead_letters", summary, letters_parameters(whole), object(), &debug));
    for (action, summary) in [("redrive", "Brings dead letters back"), ("discard", "Drops dead letters for good")] {
        let operation =
            get(&format!("dead_letters_{action}"), summary, letters_parameters(dry.clone()), object(), &debug);
        add(&format!("/dead-letters/{{queue}}/{action}"), "post", operation);
    }
    let lists = [401, 503];
    add("/registry/domains", "get", get("domains", "The domains and their events", json!([]), object(), &lists));
    add("/registry/events", "get", get("events", "Every event", json!([]), object(), &lists));
    let key = json!([{ "name": "key", "in": "path", "required": true, "schema": { "type": "string" } }]);
    let one = [400, 401, 404, 503];
    add("/registry/events/{key}", "get", get("event", "An event with its schema", key.clone(), object(), &one));
    let mut schema = get("schema", "The JSON Schema of an event", key, object(), &one);
    schema["responses"]["200"]["content"] = json!({ "application/schema+json": { "schema": { "type": "object" } } });
    add("/schemas/{key}.json", "get", schema);
    add("/metrics", "get", text("metrics", "Metrics for Prometheus", "text/plain", &[401, 403, 404, 503]));
    add("/openapi.json", "get", get("openapi", "This document", json!([]), object(), &lists));
    add("/asyncapi.json", "get", get("asyncapi", "The events as an AsyncAPI document", json!([]), object(), &lists));
    add("/docs", "get", text("docs", "This document as a page", "text/html", &lists));
    add("/asyncapi", "get", text("asyncapi_page", "The AsyncAPI document as a page", "text/html", &lists));
    paths
}

/// Which dead letters are meant, and one parameter more.
fn letters_parameters(more: Value) -> Value {
    let query = |name: &str, schema: Value| json!({ "name": name, "in": "query", "schema": schema });
    let time = || json!({ "type": "string", "format": "date-time" });
    json!([
        { "name": "queue", "in": "path", "required": true, "description": "The queue of the subscriber.",
          "schema": { "type": "string" } },
        { "name": "id", "in": "query", "description": "Events. May stand several times.",
          "schema": { "type": "array", "items": { "type": "string", "format": "uuid" } } },
        { "name": "type", "in": "query", "description": "A pattern of event types.", "schema": { "type": "string" } },
        query("reason", json!({ "type": "string" })),
        query("error", json!({ "type": "string" })),
        query("since", time()),
        query("before", time()),
        query("readable", json!({ "type": "boolean" })),
        query("limit", json!({ "type": "integer", "minimum": 0, "maximum": 100_000 })),
        more,
    ])
}

fn object() -> Value {
    json!({ "type": "object" })
}

fn content(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn get(id: &str, summary: &str, parameters: Value, schema: Value, refused: &[u16]) -> Value {
    let mut responses = problems(refused);
    responses.insert("200".to_owned(), json!({ "description": "It is this.", "content": content(schema) }));
    json!({ "operationId": id, "summary": summary, "parameters": parameters, "responses": responses })
}

fn text(id: &str, summary: &str, media_type: &str, refused: &[u16]) -> Value {
    let mut operation = get(id, summary, json!([]), object(), refused);
    operation["responses"]["200"]["content"] = json!({ media_type: { "schema": { "type": "string" } } });
    operation
}

fn graph(refused: &[u16]) -> Value {
    let parameters = json!([
        reference("parameters", "Id"),
        { "name": "format", "in": "query", "schema": { "enum": ["json", "mermaid", "dot", "text"] } },
    ]);
    let mut operation = get("correlation_graph", "Everything around an event, drawn", parameters, object(), refused);
    for media_type in ["text/vnd.mermaid", "text/vnd.graphviz", "text/plain"] {
        operation["responses"]["200"]["content"][media_type] = json!({ "schema": { "type": "string" } });
    }
    operation
}

fn custom() -> Value {
    let mut responses = problems(&[400, 401, 403, 404, 408, 413, 415, 422, 503]);
    let answer = json!({
        "type": "object",
        "required": ["status", "event_id"],
        "properties": { "status": { "const": "published" }, "event_id": { "type": "string", "format": "uuid" } },
    });
    responses.insert("202".to_owned(), json!({ "description": "It is on the bus.", "content": content(answer) }));
    json!({
        "operationId": "publish_envelope",
        "summary": "Publishes a whole envelope",
        "parameters": options(),
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": reference("schemas", "Submission") },
            "application/cloudevents+json": { "schema": reference("schemas", "CloudEvent") },
        } },
        "responses": responses,
    })
}

fn batch() -> Value {
    let mut responses = problems(&[400, 401, 408, 413, 415, 503]);
    let answer = json!({ "application/x-ndjson": { "schema": { "type": "string" } } });
    responses.insert("200".to_owned(), json!({ "description": "A result for each line.", "content": answer }));
    json!({
        "operationId": "publish_batch",
        "summary": "Publishes many envelopes, one in each line",
        "requestBody": { "required": true, "content": {
            "application/x-ndjson": { "schema": { "type": "string" } },
            "application/cloudevents-batch+json": { "schema": { "type": "array", "items": reference("schemas", "CloudEvent") } },
        } },
        "responses": responses,
    })
}

fn stream() -> Value {
    let mut responses = problems(&[400, 401, 403, 503]);
    let events = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    let resumed = json!({ "bloodbank-resumed": {
        "description": "With `Last-Event-ID`: whether the stream has everything since that event.",
        "schema": { "type": "string", "enum": ["true", "false"] },
    } });
    let answer = json!({ "description": "Server-sent events.", "headers": resumed, "content": events });
    responses.insert("200".to_owned(), answer);
    json!({
        "operationId": "stream",
        "summary": "Live events",
        "parameters": [
            { "name": "pattern", "in": "query", "description": "Routing keys: `*` is one word, `#` any number. May stand several times.",
              "schema": { "type": "array", "items": { "type": "string" } } },
            { "name": "format", "in": "query", "schema": { "enum": ["envelope", "cloudevents"] } },
            { "name": "since", "in": "query", "description": "Begins with what was published since then, where the bus keeps history.",
              "schema": { "type": "string", "format": "date-time" } },
            { "name": "Last-Event-ID", "in": "header", "description": "Resumes after this event, where the gateway or the bus still has what followed.",
              "schema": { "type": "string", "format": "uuid" } },
        ],
        "responses": responses,
    })
}
