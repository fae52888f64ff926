//! `docs`: what programs read is what is linked and served.

use std::collections::BTreeSet;

use crate::support::{bb, command, example, out};
use serde_json::Value;

/// References that lead nowhere.
fn dangling(document: &Value, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
            let own = own.filter(|pointer| document.pointer(pointer).is_none()).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(|field| dangling(document, field))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| dangling(document, item)).collect(),
        _ => Vec::new(),
    }
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn documents_have_every_event_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let shop =
        |args: &[&str]| -> Value { serde_json::from_str(&out(command(example("shop"), folder.path(), args))).unwrap() };
    let events = shop(&["list-events", "--json"]);
    let keys: BTreeSet<_> =
        events.as_array().unwrap().iter().map(|event| event["routing_key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 6);

    let asyncapi = shop(&["docs", "asyncapi"]);
    assert_eq!((asyncapi["asyncapi"].as_str(), names(&asyncapi["channels"])), (Some("3.0.0"), keys.clone()));
    assert_eq!(asyncapi["operations"]["ship.orders.order.placed"]["action"], "receive");
    assert_eq!(dangling(&asyncapi, &asyncapi), Vec::<String>::new());

    let openapi = shop(&["docs", "openapi"]);
    assert_eq!(openapi["openapi"], "3.1.0");
    for key in keys {
        let path = format!("/events/{}", key.replace('.', "/"));
        assert!(openapi["paths"][&path]["post"].is_object(), "{path}");
    }
    assert_eq!(dangling(&openapi, &openapi), Vec::<String>::new());
    assert!(openapi["paths"].get("/webhooks/{name}").is_none(), "`shop` has no webhooks");

    // Also what the program adds to its gateway.
    out(bb(folder.path(), &["docs", "openapi", "--out", "openapi.json"]));
    let openapi = std::fs::read(folder.path().join("openapi.json")).unwrap();
    let openapi: Value = serde_json::from_slice(&openapi).unwrap();
    for path in ["/webhooks/{name}", "/dead-letters/{queue}", "/events/artifact/{action}"] {
        assert!(openapi["paths"][path].is_object(), "{path}");
    }
}
