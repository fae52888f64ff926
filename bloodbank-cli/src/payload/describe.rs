//! Events in words and as JSON.

use bloodbank_core::{EventKind, Registry, event::Declaration, registry::EventDescriptor, routing};
use serde_json::{Value, json};

/// The word for a kind.
pub(crate) fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Fact => "event",
        EventKind::Command => "command",
        EventKind::Failure => "failure",
    }
}

/// The first paragraph of a doc comment on one line, without the brackets of links.
pub(crate) fn first_line(docs: &str) -> String {
    let paragraph: Vec<_> = docs.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    plain(&paragraph.join(" "))
}

/// A doc comment without the brackets of links.
pub(crate) fn plain(docs: &str) -> String {
    docs.trim().replace("[`", "`").replace("`]", "`")
}

/// What listings say about an event.
pub(crate) fn summary(event: &EventDescriptor) -> Value {
    let declaration = event.declaration();
    json!({
        "routing_key": event.routing_key(),
        "kind": kind(event.kind()),
        "domain": event.domain(),
        "name": declaration.name,
        "type": event.type_path(),
        "description": first_line(declaration.docs),
        "location": declaration.location,
    })
}

/// What handles an event: its name, its place, and what it publishes in turn.
pub(crate) struct Handler {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) outputs: Vec<&'static Declaration>,
}

/// The subscribers and executors of an event.
pub(crate) fn handlers(event: &EventDescriptor) -> Vec<Handler> {
    let registry = Registry::global();
    let subscribers = registry
        .subscribers()
        .iter()
        .filter(|subscriber| {
            subscriber.patterns().iter().any(|pattern| routing::overlaps(pattern, event.routing_key()))
        })
        .map(|subscriber| Handler {
            name: subscriber.name.to_owned(),
            location: subscriber.location.to_string(),
            outputs: (subscriber.outputs)(),
        });
    let executors =
        registry.executors().iter().filter(|executor| executor.declaration().routing_key == event.routing_key()).map(
            |executor| Handler {
                name: format!("executor of {}", executor.declaration().name),
                location: executor.location().to_string(),
                outputs: executor.outputs(),
            },
        );
    executors.chain(subscribers).collect()
}
