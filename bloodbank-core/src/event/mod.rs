//! The contracts of events: facts, commands, failures, and the events that a handler collects.

mod collector;
mod command;
pub mod derives;
mod failure;
mod payload;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub use collector::{EventCollector, PendingEvent};
pub use command::{CommandEvent, Reply};
pub use failure::FailureEvent;
pub use payload::Payload;
pub(crate) use payload::{read_any, read_payload, read_variant, unexpected};

use crate::event::derives::{Described, Readable, Writable};
use crate::{error::Result, routing::RoutingKey};

/// An event: a struct that travels on the bus. Derive it:
///
/// ```ignore
/// #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
/// #[event(routing_key = "orders.order.placed", id(order_id))]
/// pub struct OrderPlaced { pub order_id: String, pub total_cents: u64 }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Event`",
    label = "not an event",
    note = "consider annotating `{Self}` with `#[derive(Event)]` and `#[event(routing_key = \"…\")]`"
)]
pub trait Event:
    Serialize + DeserializeOwned + JsonSchema + Writable + Readable + Described + Send + Sync + 'static
{
    /// The declaration: key, kind, docs, location.
    const DECLARATION: Declaration;

    /// The routing key of this event; differs from the declared one where that has placeholders.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidKey`] when the value of a placeholder is no legal segment.
    fn routing_key(&self) -> Result<RoutingKey> {
        Ok(RoutingKey::from_static(Self::DECLARATION.routing_key))
    }

    /// The unique key of this event: its `id(…)` fields as `name=value`, joined with `|`; `None` without `id(…)`.
    fn unique_key(&self) -> Option<String> {
        None
    }

    /// The ids of the events that caused this one, out of its `caused_by(…)` fields; they become parents when it is published.
    fn parents(&self) -> Vec<Uuid> {
        Vec::new()
    }

    /// Checks the declared rules (`validate`); called before publishing and after decoding.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidPayload`] naming every field at fault.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// The example given by `example = …`.
    fn example() -> Option<Self> {
        None
    }

    /// Reads a payload that arrived under the key of an older version (`supersedes`).
    /// `None`: the key belongs to no older version.
    fn upcast(_key: &str, _payload: &str) -> Option<Result<Self, serde_json::Error>> {
        None
    }
}

/// The kind of an event: fact, command or failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Something that happened.
    Fact,
    /// Something to be done.
    Command,
    /// Something that went wrong.
    Failure,
}

/// The declaration of an event, known at compile time.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// The declared routing key; may contain placeholders (`artifact.{action}`).
    pub routing_key: &'static str,
    /// The kind: fact, command or failure.
    pub kind: EventKind,
    /// The domain under which listings show the event.
    pub domain: &'static str,
    /// The name of the Rust type, without its path.
    pub name: &'static str,
    /// The doc comment of the type.
    pub docs: &'static str,
    /// The fields of `id(…)`, sorted by name.
    pub id_fields: &'static [&'static str],
    /// The fields of `caused_by(…)`, sorted by name.
    pub cause_fields: &'static [&'static str],
    /// The key of the reply, for a command that declares one.
    pub reply: Option<&'static str>,
    /// The previous version.
    pub supersedes: Option<&'static Superseded>,
    /// Whether the event is produced outside this code base.
    pub external: bool,
    /// Whether the event has rules that are checked before publishing and after decoding.
    pub validated: bool,
    /// The location of the declaration in source code.
    pub location: Location,
}

impl Declaration {
    /// Creates the declaration of a fact with only a key, a domain, a name and a location; the rest is set by struct
    /// update.
    #[must_use]
    pub const fn new(routing_key: &'static str, domain: &'static str, name: &'static str, location: Location) -> Self {
        Self {
            routing_key,
            kind: EventKind::Fact,
            domain,
            name,
            docs: "",
            id_fields: &[],
            cause_fields: &[],
            reply: None,
            supersedes: None,
            external: false,
            validated: false,
            location,
        }
    }

    /// The routing keys that a subscriber of this event receives: its own and those of the versions before it.
    pub fn received_keys(&self) -> impl Iterator<Item = &'static str> {
        let older = std::iter::successors(self.supersedes, |version| version.older);
        std::iter::once(self.routing_key).chain(older.map(|version| version.routing_key))
    }
}

/// The routing key of an older version, and of the versions before it.
#[derive(Debug, Clone, Copy)]
pub struct Superseded {
    /// The routing key of the older version.
    pub routing_key: &'static str,
    /// The next older version.
    pub older: Option<&'static Superseded>,
}

/// A location in source code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// The crate.
    pub crate_name: &'static str,
    /// The version of the crate.
    pub crate_version: &'static str,
    /// The module.
    pub module: &'static str,
    /// The file, as it was passed to the compiler.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} (crate {} {})", self.file, self.line, self.crate_name, self.crate_version)
    }
}

/// A field that may fill a placeholder in a routing key. Derivable for enums without fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a routing key",
    label = "not a `RoutingSegment`",
    note = "use a string or an integer, or annotate an enum without fields with `#[derive(RoutingSegment)]`"
)]
pub trait RoutingSegment {
    /// The text of the segment, between two dots.
    fn routing_segment(&self) -> Cow<'_, str>;
}

impl RoutingSegment for String {
    fn routing_segment(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

/// A field that may be part of a deterministic event id: text, integers, UUIDs, booleans, and options of those.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take part in an event id",
    label = "not usable in `id(…)`",
    note = "strings, integers, UUIDs, booleans and options of those can; floats cannot, as equal values may print differently"
)]
pub trait IdValue {
    /// The text of the value as the Python side prints it; `None` leaves the field out.
    fn id_value(&self) -> Option<Cow<'_, str>>;
}

impl IdValue for String {
    fn id_value(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self))
    }
}

impl IdValue for bool {
    fn id_value(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(if *self { "True" } else { "False" }))
    }
}

impl IdValue for Uuid {
    fn id_value(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.to_string()))
    }
}

impl<T: IdValue> IdValue for Option<T> {
    fn id_value(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(IdValue::id_value)
    }
}

/// A field that may name a cause of its event: the id of another event. UUIDs and text, and options of those.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot name the cause of an event",
    label = "not usable in `caused_by(…)`",
    note = "write `Uuid` or `Option<Uuid>`; text and options of text, which others may write, can name a cause too"
)]
pub trait CauseId {
    /// The id of the cause; `None` where the field names no event.
    fn cause_id(&self) -> Option<Uuid>;
}

impl CauseId for Uuid {
    fn cause_id(&self) -> Option<Uuid> {
        (!self.is_nil()).then_some(*self)
    }
}

/// Text that is no UUID, such as the number that a provider gives its prompts, names no event.
impl CauseId for String {
    fn cause_id(&self) -> Option<Uuid> {
        Uuid::parse_str(self).ok()?.cause_id()
    }
}

impl<T: CauseId> CauseId for Option<T> {
    fn cause_id(&self) -> Option<Uuid> {
        self.as_ref().and_then(CauseId::cause_id)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl RoutingSegment for $integer {
            fn routing_segment(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }

        impl IdValue for $integer {
            fn id_value(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Owned(self.to_string()))
            }
        }
    )*};
}
integers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
