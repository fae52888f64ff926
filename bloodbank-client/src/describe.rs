//! Events as listings show them.

use bloodbank_core::{
    EventKind, Registry,
    event::{Declaration, Location},
    registry::EventDescriptor,
    routing,
};
use serde::Serialize;
use serde_json::Value;

use crate::error::{ClientError, Result};

/// The event with this routing key, or the only one whose Rust type has this name, or the name that the Python side gives it:
/// `LLMPrompt`, `GitHubPRCreatedPayload`.
///
/// # Errors
/// [`ClientError::UnknownType`], [`ClientError::Invalid`] for a name that several types have, and
/// [`ErrorKind::UnknownEvent`](bloodbank_core::ErrorKind::UnknownEvent) for a key; each names what was probably meant.
pub fn find_event(name: &str) -> Result<&'static EventDescriptor> {
    let registry = Registry::global();
    if let Some(event) = registry.event(name) {
        return Ok(event);
    }
    let events = || registry.events().iter().copied();
    let named: Vec<_> =
        events().filter(|event| event.declaration().name == name || event.type_path() == name).collect();
    // A name that is spelt exactly goes before one that is spelt alike.
    let spelt_alike = || events().filter(|event| folded(event.declaration().name) == folded(name)).collect();
    let of_type: Vec<_> = if named.is_empty() && !name.contains('.') { spelt_alike() } else { named };
    match (of_type.first(), of_type.get(1)) {
        (Some(&event), None) => Ok(event),
        (Some(one), Some(other)) => Err(ClientError::Invalid(format!(
            "`{name}` is the type of `{}` and of `{}`; name the event by its key",
            one.routing_key(),
            other.routing_key()
        ))),
        (None, _) if name.contains('.') => Err(registry.unknown(name).into()),
        (None, _) => {
            let names = registry.events().iter().map(|event| event.declaration().name);
            let nearest = routing::nearest(name, names).map(str::to_owned);
            Err(ClientError::UnknownType { name: name.to_owned(), nearest })
        }
    }
}

/// What a name of a type has in common in both languages: Python writes `LLMErrorPayload` and `AgentThreadPromptEvent` for
/// `LlmError` and `AgentThreadPrompt`.
fn folded(name: &str) -> String {
    let name = ["Payload", "Event"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    name.to_ascii_lowercase()
}

/// The word for a kind of event: `event`, `command` or `failure`.
#[must_use]
pub fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Fact => "event",
        EventKind::Command => "command",
        EventKind::Failure => "failure",
    }
}

/// The first paragraph of a doc comment on one line, without the brackets of links.
#[must_use]
pub fn summary_line(docs: &str) -> String {
    let paragraph: Vec<_> = docs.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    documentation(&paragraph.join(" "))
}

/// A doc comment as Markdown without the brackets of links, which lead nowhere outside of rustdoc.
#[must_use]
pub fn documentation(docs: &str) -> String {
    docs.trim().replace("[`", "`").replace("`]", "`")
}

/// One line of a list of events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventSummary {
    /// The key as declared; may contain placeholders.
    pub routing_key: &'static str,
    /// `event`, `command` or `failure`.
    pub kind: &'static str,
    /// The domain.
    pub domain: &'static str,
    /// The name of the Rust type.
    pub name: &'static str,
    /// The path of the Rust type.
    #[serde(rename = "type")]
    pub type_path: &'static str,
    /// The first paragraph of the doc comment.
    pub description: String,
    /// Where the event is declared.
    pub location: Location,
}

impl EventSummary {
    /// The summary of an event.
    #[must_use]
    pub fn of(event: &'static EventDescriptor) -> Self {
        let declaration = event.declaration();
        Self {
            routing_key: event.routing_key(),
            kind: kind_name(event.kind()),
            domain: event.domain(),
            name: declaration.name,
            type_path: event.type_path(),
            description: summary_line(declaration.docs),
            location: declaration.location,
        }
    }
}

/// All that a declaration says about an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventDetails {
    /// What a list says about the event.
    #[serde(flatten)]
    pub summary: EventSummary,
    /// The whole doc comment, as Markdown.
    pub documentation: String,
    /// The fields that the event id is derived from; none: ids are random.
    pub id_fields: &'static [&'static str],
    /// The fields that name a cause of the event by its id.
    pub cause_fields: &'static [&'static str],
    /// The key of the reply to a command.
    pub reply: Option<&'static str>,
    /// The keys of older versions, which subscribers receive too.
    pub supersedes: Vec<&'static str>,
    /// Whether the event is published outside of this code base.
    pub external: bool,
    /// Whether rules beyond the schema are checked.
    pub validated: bool,
    /// The JSON Schema of the payload.
    pub schema: Value,
}

impl EventDetails {
    /// The details of an event.
    #[must_use]
    pub fn of(event: &'static EventDescriptor) -> Self {
        let declaration: &'static Declaration = event.declaration();
        Self {
            summary: EventSummary::of(event),
            documentation: documentation(declaration.docs),
            id_fields: declaration.id_fields,
            cause_fields: declaration.cause_fields,
            reply: declaration.reply,
            supersedes: declaration.received_keys().skip(1).collect(),
            external: declaration.external,
            validated: declaration.validated,
            schema: event.schema().to_value(),
        }
    }
}
