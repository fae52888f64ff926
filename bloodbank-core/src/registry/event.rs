//! Descriptors of events.

use std::{
    any::{Any, TypeId},
    fmt,
};

use schemars::Schema;
use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use crate::{
    error::{Error, ErrorKind, Result},
    event::{Declaration, Event, EventKind, Location, read_payload},
    event_id, json,
    registry::schema,
    routing::RoutingKey,
};

/// The descriptor of a registered event: its declaration, and operations that need no knowledge of its type.
#[derive(Clone, Copy)]
pub struct EventDescriptor {
    declaration: &'static Declaration,
    type_id: TypeId,
    type_path: fn() -> &'static str,
    schema: fn() -> Schema,
    example: fn() -> Option<Box<dyn AnyEvent>>,
    decode: fn(&str, &str) -> Result<Box<dyn AnyEvent>>,
}

inventory::collect!(EventDescriptor);

/// An event whose type is known only at run time.
pub trait AnyEvent: Any + Send {
    /// The payload as JSON text.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn to_text(&self) -> Result<Box<RawValue>>;

    /// The payload as a JSON value.
    ///
    /// # Errors
    /// Like [`Self::to_text`].
    fn to_value(&self) -> Result<Value> {
        let text = self.to_text()?;
        serde_json::from_str(text.get()).map_err(|error| {
            Error::new(ErrorKind::InvalidPayload, "what an event was written as is no JSON").with_source(error)
        })
    }

    /// The routing key that the event is published under.
    ///
    /// # Errors
    /// Like [`Event::routing_key`].
    fn routing_key(&self) -> Result<RoutingKey>;

    /// The deterministic id from the declared fields, if any.
    fn event_id(&self, key: &str) -> Option<Uuid>;

    /// The ids of the events that its fields name as its causes.
    fn parents(&self) -> Vec<Uuid>;
}

impl<E: Event> AnyEvent for E {
    fn to_text(&self) -> Result<Box<RawValue>> {
        match serde_json::value::to_raw_value(self) {
            Ok(text) => Ok(text),
            Err(error) => Err(cannot_be_written(const { &E::DECLARATION }, error)),
        }
    }

    fn routing_key(&self) -> Result<RoutingKey> {
        Event::routing_key(self)
    }

    fn event_id(&self, key: &str) -> Option<Uuid> {
        self.unique_key().map(|unique| event_id::deterministic(key, &unique))
    }

    fn parents(&self) -> Vec<Uuid> {
        Event::parents(self)
    }
}

// What follows is compiled once, not once per event: declaring a thousand events must not cost minutes.

#[cold]
fn cannot_be_written(declaration: &Declaration, error: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidPayload, format!("`{}` cannot be written as JSON", declaration.routing_key))
        .with_source(error)
}

/// Parses the text of a payload into a JSON tree.
pub(crate) fn tree(key: &str, payload: &str) -> Result<Value> {
    json::read_value(payload.as_bytes()).map_err(|fault| {
        // The source is part of what an error says.
        let is_syntax = fault.is_syntax();
        let misfit = format!("payload of `{key}` does not fit {fault}");
        let (fault, source) = fault.into_parts();
        let error = if is_syntax {
            Error::new(ErrorKind::InvalidPayload, format!("payload of `{key}` is no JSON")).with_source(source)
        } else {
            Error::new(ErrorKind::InvalidPayload, misfit)
        };
        error.with_faults(vec![fault])
    })
}

impl EventDescriptor {
    /// Creates the descriptor of a type; the derive registers it.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self {
            declaration: const { &E::DECLARATION },
            type_id: TypeId::of::<E>(),
            type_path: std::any::type_name::<E>,
            schema: schema::of::<E>,
            example: || E::example().map(|event| Box::new(event) as _),
            decode: |key, text| match read_payload::<E>(key, text) {
                Ok(event) => match event.validate() {
                    Ok(()) => Ok(Box::new(event)),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            },
        }
    }

    /// The declaration of the event.
    #[must_use]
    pub const fn declaration(&self) -> &'static Declaration {
        self.declaration
    }

    /// The declared routing key.
    #[must_use]
    pub const fn routing_key(&self) -> &'static str {
        self.declaration.routing_key
    }

    /// The kind: fact, command or failure.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.declaration.kind
    }

    /// The domain under which listings show the event.
    #[must_use]
    pub const fn domain(&self) -> &'static str {
        self.declaration.domain
    }

    /// The location of the declaration in source code.
    #[must_use]
    pub const fn location(&self) -> &'static Location {
        &self.declaration.location
    }

    /// The id of the Rust type.
    #[must_use]
    pub const fn type_id(&self) -> TypeId {
        self.type_id
    }

    /// The path of the Rust type.
    #[must_use]
    pub fn type_path(&self) -> &'static str {
        (self.type_path)()
    }

    /// The JSON Schema of the payload, draft 2020-12.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// The declared example.
    #[must_use]
    pub fn example(&self) -> Option<Box<dyn AnyEvent>> {
        (self.example)()
    }

    /// Reads a payload as this event: checks every fault against the schema at once, then the type, then its rules.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`] naming the JSON pointer of every fault.
    pub fn read(&self, key: &str, payload: &Value) -> Result<Box<dyn AnyEvent>> {
        schema::check(self, key, payload)?;
        (self.decode)(key, &payload.to_string())
    }

    /// Reads the JSON text of a payload, like [`Self::read`].
    ///
    /// # Errors
    /// Like [`Self::read`]; also where the text is no JSON.
    pub fn read_text(&self, key: &str, payload: &str) -> Result<Box<dyn AnyEvent>> {
        schema::check(self, key, &tree(key, payload)?)?;
        (self.decode)(key, payload)
    }
}

impl fmt::Debug for EventDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDescriptor")
            .field("routing_key", &self.routing_key())
            .field("type", &self.type_path())
            .finish()
    }
}
