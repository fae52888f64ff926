//! The schemas of events as components, which the OpenAPI and the AsyncAPI document have in common.
//!
//! Generators of clients make a type of each component. For their sake each has a name that no other has however it is spelled,
//! no schema is hidden inside another, and a choice of words is an `enum`.

mod definitions;
mod envelope;
mod names;
mod rewrite;

use std::{collections::BTreeMap, sync::LazyLock};

use bloodbank_core::{Registry, registry::EventDescriptor, routing};
pub(crate) use envelope::{cloud_event, envelope, source};
use serde_json::{Map, Value, json};

use self::{definitions::Definitions, names::Names};

/// The names that the documents themselves give to components, and `batch`, which is published at a path of its own. Those of
/// events and of their definitions are others.
pub(crate) const RESERVED: [&str; 35] = [
    "batch",
    "CloudEvent",
    "CommandState",
    "CorrelationChain",
    "CorrelationDump",
    "CorrelationGraph",
    "DeadLetter",
    "DeadLetters",
    "Domain",
    "Domains",
    "Envelope",
    "EventDetails",
    "EventSummaries",
    "EventSummary",
    "FieldError",
    "Health",
    "HistoryEntry",
    "HistoryPage",
    "MalformedEntry",
    "PlannedReplay",
    "Problem",
    "Published",
    "PublishedAsPython",
    "PublishRequest",
    "Queues",
    "QueueStatus",
    "ReplayPlan",
    "ReplayProgress",
    "ReplayQuery",
    "ReplayRequest",
    "Replays",
    "Source",
    "SweepReport",
    "SweptDeadLetter",
    "TraceEvent",
];

/// The components of one event.
struct EventComponents {
    /// The payload.
    payload: String,
    /// The payload without the fields that the path tells; `None` where it tells none.
    body: Option<String>,
    /// The envelope with the payload.
    envelope: String,
    /// The payload as a CloudEvent.
    cloud_event: String,
}

/// The components of every event, and their names.
pub(crate) struct Schemas {
    of_events: BTreeMap<&'static str, EventComponents>,
    components: Map<String, Value>,
}

impl Schemas {
    /// The components of the events that are linked into this program.
    pub(crate) fn global() -> &'static Self {
        static GLOBAL: LazyLock<Schemas> = LazyLock::new(|| Schemas::of(Registry::global()));
        &GLOBAL
    }

    pub(crate) fn of(registry: &Registry) -> Self {
        let mut names = Names::reserving(RESERVED);
        let mut of_events = BTreeMap::new();
        for event in registry.events() {
            let payload = names.unique(&names::of_key(event.routing_key()));
            let mut part = |name: &str| names.unique(&format!("{payload}.{name}"));
            let of_event = EventComponents {
                body: placeholders(event).next().is_some().then(|| part("body")),
                envelope: part("envelope"),
                cloud_event: part("cloudevent"),
                payload,
            };
            of_events.insert(event.routing_key(), of_event);
        }
        let schemas: Vec<_> = registry
            .events()
            .iter()
            .map(|event| (of_events[event.routing_key()].payload.as_str(), event.schema().to_value()))
            .collect();
        let definitions = Definitions::of(&schemas, &mut names);
        let mut components = definitions.components();
        for (event, (name, schema)) in registry.events().iter().zip(&schemas) {
            let payload = definitions.hoisted(name, schema);
            let of_event = &of_events[event.routing_key()];
            if let Some(body) = &of_event.body {
                components.insert(body.clone(), without_path_fields(event, &payload));
            }
            components.insert(of_event.envelope.clone(), envelope_of(event, name));
            components.insert(of_event.cloud_event.clone(), cloud_event_of(event, name));
            components.insert((*name).to_owned(), payload);
        }
        for (name, component) in &mut components {
            rewrite::describe(component);
            rewrite::enumerate(component);
            component["title"] = names::type_name(name).into();
        }
        Self { of_events, components }
    }

    /// The components by name.
    pub(crate) fn components(&self) -> Map<String, Value> {
        self.components.clone()
    }

    /// The name of the component for the payload of an event.
    pub(crate) fn name(&self, event: &EventDescriptor) -> &str {
        &self.of_event(event).payload
    }

    /// A reference to what is published under the path of an event. The fields that the path tells may be left out.
    pub(crate) fn body(&self, event: &EventDescriptor) -> Value {
        let of_event = self.of_event(event);
        reference(of_event.body.as_ref().unwrap_or(&of_event.payload))
    }

    /// A reference to the envelope of an event.
    pub(crate) fn envelope(&self, event: &EventDescriptor) -> Value {
        reference(&self.of_event(event).envelope)
    }

    /// A reference to an event as a CloudEvent.
    pub(crate) fn cloud_event(&self, event: &EventDescriptor) -> Value {
        reference(&self.of_event(event).cloud_event)
    }

    /// The names of the components that only requests over HTTP have.
    pub(crate) fn http_names(&self, event: &EventDescriptor) -> impl Iterator<Item = &str> {
        let of_event = self.of_event(event);
        of_event.body.as_deref().into_iter().chain([of_event.cloud_event.as_str()])
    }

    /// The schema of a field of the payload.
    pub(crate) fn field(&self, event: &EventDescriptor, field: &str) -> Value {
        let field = &self.components[self.name(event)]["properties"][field];
        // Generators of clients read what stands beside a reference as a schema without a name.
        field.get("$ref").map_or_else(|| field.clone(), |target| json!({ "$ref": target }))
    }

    fn of_event(&self, event: &EventDescriptor) -> &EventComponents {
        &self.of_events[event.routing_key()]
    }
}

/// The path under which an event is published: `artifact.{action}` is at `/events/artifact/{action}`.
pub(crate) fn event_path(event: &EventDescriptor) -> String {
    format!("/events/{}", event.routing_key().replace('.', "/"))
}

/// The fields of the payload that stand in the routing key.
pub(crate) fn placeholders(event: &EventDescriptor) -> impl Iterator<Item = &'static str> {
    routing::template_segments(event.routing_key()).filter_map(|segment| match segment {
        routing::Segment::Placeholder(name) => Some(name),
        routing::Segment::Literal(_) => None,
    })
}

/// A reference to the schema of this name.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn without_path_fields(event: &EventDescriptor, payload: &Value) -> Value {
    let mut schema = payload.clone();
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| !placeholders(event).any(|name| field == name));
    }
    schema
}

fn envelope_of(event: &EventDescriptor, payload: &str) -> Value {
    let mut schema = envelope();
    schema["description"] = format!("The envelope of `{}`.", event.routing_key()).into();
    schema["properties"]["payload"] = reference(payload);
    if placeholders(event).next().is_none() {
        schema["properties"]["event_type"]["const"] = event.routing_key().into();
    }
    schema
}

fn cloud_event_of(event: &EventDescriptor, payload: &str) -> Value {
    let mut schema = cloud_event();
    schema["description"] = format!("`{}` as a CloudEvent.", event.routing_key()).into();
    schema["required"].as_array_mut().into_iter().for_each(|required| required.push("data".into()));
    schema["properties"]["data"] = reference(payload);
    if placeholders(event).next().is_none() {
        schema["properties"]["type"]["const"] = event.routing_key().into();
    }
    schema
}
