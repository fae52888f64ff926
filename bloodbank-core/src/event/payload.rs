//! Reads events from envelopes: one event, or one of a set.

use serde::{Serialize, de::DeserializeOwned};

use super::{Declaration, Event};
use crate::{
    envelope::{EventEnvelope, RawEnvelope, check_version},
    error::{Error, ErrorKind, Result},
    json::{self, JsonFault},
    routing::template_matches,
};

/// The payload that a subscriber receives: an event, or a set of events (`#[derive(EventSet)]`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Event`",
    label = "a subscriber cannot receive this",
    note = "consider annotating `{Self}` with `#[derive(Event)]`, or with `#[derive(EventSet)]` for several events"
)]
pub trait Payload: Sized + Send + 'static {
    /// The declarations of the payload's events; a constant, so that a subscriber's pattern is checked while the
    /// program compiles.
    const DECLARATIONS: &'static [&'static Declaration];

    /// The declarations of the payload's events.
    fn declarations() -> Vec<&'static Declaration> {
        Self::DECLARATIONS.to_vec()
    }

    /// Decodes an envelope.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEnvelope`] or [`ErrorKind::InvalidPayload`], with the place of the fault.
    fn decode(body: &[u8]) -> Result<EventEnvelope<Self>>;
}

impl<E: Event> Payload for E {
    const DECLARATIONS: &'static [&'static Declaration] = &[&E::DECLARATION];

    fn decode(body: &[u8]) -> Result<EventEnvelope<Self>> {
        let declaration = const { &E::DECLARATION };
        // The common case in one pass. What it does not explain is read again, for the sake of the message.
        if declaration.supersedes.is_none()
            && let Ok(envelope) = json::read_unexplained::<EventEnvelope<E>>(body)
            && (declaration.routing_key == envelope.event_type
                || template_matches(declaration.routing_key, &envelope.event_type))
            && json::check_digits(body, &envelope).is_ok()
        {
            check_version(&envelope.version)?;
            if declaration.validated {
                envelope.payload.validate()?;
            }
            return Ok(envelope);
        }
        let raw = RawEnvelope::read(body)?;
        match read_variant::<E>(&raw)? {
            Some(payload) => Ok(raw.map(|_| payload)),
            None => Err(unexpected(&raw, Self::DECLARATIONS)),
        }
    }
}

/// Reads the payload as `E` if the envelope holds that event, or an older version of it; `None` otherwise.
pub(crate) fn read_variant<E: Event>(raw: &RawEnvelope<'_>) -> Result<Option<E>> {
    let text = raw.payload.get();
    let event = if template_matches(E::DECLARATION.routing_key, &raw.event_type) {
        read_payload::<E>(&raw.event_type, text)?
    } else {
        match E::upcast(&raw.event_type, text) {
            Some(event) => event.map_err(|error| {
                Error::new(ErrorKind::InvalidPayload, format!("payload of `{}` does not fit", raw.event_type))
                    .with_source(error)
            })?,
            None => return Ok(None),
        }
    };
    event.validate()?;
    Ok(Some(event))
}

/// Reads a payload of any type; an error names the JSON pointer of the fault.
pub(crate) fn read_any<T: DeserializeOwned>(event_type: &str, text: &str) -> Result<T> {
    json::read(text.as_bytes()).map_err(|fault| does_not_fit(event_type, std::any::type_name::<T>(), fault))
}

/// Reads a payload; an error names the JSON pointer of the fault.
pub(crate) fn read_payload<T: DeserializeOwned + Serialize>(event_type: &str, text: &str) -> Result<T> {
    let read = json::read::<T>(text.as_bytes());
    read.and_then(|payload| json::check_digits(text.as_bytes(), &payload).map(|()| payload))
        .map_err(|fault| does_not_fit(event_type, std::any::type_name::<T>(), fault))
}

/// The error for a payload that does not fit its type; not generic, so that it is compiled once, not once per event.
#[cold]
fn does_not_fit(event_type: &str, type_path: &str, fault: JsonFault) -> Error {
    let (fault, error) = fault.into_parts();
    let name = type_path.rsplit("::").next().unwrap_or(type_path);
    Error::new(
        ErrorKind::InvalidPayload,
        format!("payload of `{event_type}` does not fit `{name}` at {:?}", fault.pointer),
    )
    .with_faults(vec![fault])
    .with_source(error)
}

/// The error for an event that the subscriber does not receive.
pub(crate) fn unexpected(raw: &RawEnvelope<'_>, expected: &[&'static Declaration]) -> Error {
    let keys: Vec<_> = expected.iter().map(|declaration| format!("`{}`", declaration.routing_key)).collect();
    Error::new(
        ErrorKind::InvalidEnvelope,
        format!("unexpected event `{}`; this subscriber receives {}", raw.event_type, keys.join(", ")),
    )
}
