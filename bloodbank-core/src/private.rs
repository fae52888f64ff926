//! Items that the macros expand to; not part of the public interface.

mod bounds;
mod checks;
mod fields;
mod parked_key;
mod sentence;
mod signature;

pub use bounds::{Older, Supersedes, Validated, Variant, upcast};
pub use checks::{check_batch, check_pattern, check_plain, check_superseded, check_variant};
pub use fields::{ErrorCode, ErrorMessage, IsRetryable, RetryCount};
pub use inventory;
pub use parked_key::parked_key;
pub use schemars;
pub use serde;
pub use serde_json;
pub use signature::{Is, IsNot, ReceivedFirst, TakenAfter, TakenFirst};
pub use std::{borrow::Cow, boxed::Box, option::Option, result::Result, string::String, vec::Vec};

pub use futures_util::future::BoxFuture;
pub use garde;
pub use uuid::Uuid;

pub use crate::{
    __here as here,
    dispatch::{Command, CommandContext, Executor},
    envelope::{EventEnvelope, RawEnvelope},
    error::{Error, ErrorKind},
    event::{
        CauseId, CommandEvent, Declaration, Event, EventCollector, EventKind, FailureEvent, IdValue, Location, Payload,
        Reply, RoutingSegment, Superseded,
    },
    event_id::unique_key,
    handler::{
        Context, ExtractFrom, Extractor, HandlerError, HandlerFailure, HandlerReturn, Handling, Input, OpenTransaction,
        Output, Satisfies, Subscriber, check_no_transaction, in_transaction, the_transaction,
    },
    message::Format,
    registry::{
        Backoff, BatchPolicy, EventDescriptor, OnFailure, Rate, RetryPolicy, Settle, SubscriberDescriptor,
        SubscriberOptions,
    },
    routing::{BindingPattern, RoutingKey},
};

/// The location of a macro call in source code.
#[doc(hidden)]
#[macro_export]
macro_rules! __here {
    () => {
        $crate::private::Location {
            crate_name: ::core::env!("CARGO_PKG_NAME"),
            crate_version: ::core::env!("CARGO_PKG_VERSION"),
            module: ::core::module_path!(),
            file: ::core::file!(),
            line: ::core::line!(),
        }
    };
}

/// The hash of an event's declared routing key: FNV-1a, 64 bits.
#[must_use]
pub const fn number_of_key<E: Event>() -> u64 {
    let key = E::DECLARATION.routing_key.as_bytes();
    let mut number = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < key.len() {
        number = (number ^ key[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    number
}

/// Fills the placeholders of a declared routing key; `write_value` writes the value of the field it is given.
///
/// # Errors
/// When a value is no legal segment.
pub fn fill_key(template: &str, write_value: impl FnMut(&str, &mut String)) -> Result<RoutingKey, Error> {
    RoutingKey::fill(template, write_value).map_err(|fault| {
        Error::new(ErrorKind::InvalidKey, format!("`{template}` cannot be published")).with_source(fault)
    })
}

/// The causes that the fields of an event name: the body of `Event::parents`.
#[must_use]
pub fn parents<const FIELDS: usize>(causes: [Option<Uuid>; FIELDS]) -> Vec<Uuid> {
    causes.into_iter().flatten().collect()
}

/// Converts a failure event into a handler error: the body of `HandlerFailure::into_handler_error`.
#[must_use]
pub fn failure<E: FailureEvent>(event: E, attempt: u32) -> HandlerError {
    crate::handler::failure(event, attempt)
}

/// Reads an envelope for an event set.
///
/// # Errors
/// When it is no envelope.
pub fn read_raw(body: &[u8]) -> Result<RawEnvelope<'_>, Error> {
    RawEnvelope::read(body)
}

/// Reads the payload of an event that no variant of a set names.
///
/// # Errors
/// When it does not fit.
pub fn read_other<T: serde::de::DeserializeOwned>(raw: &RawEnvelope<'_>) -> Result<T, Error> {
    crate::event::read_any(&raw.event_type, raw.payload.get())
}

/// Returns the envelope with the payload of a set's variant.
pub fn with_payload<T>(raw: &RawEnvelope<'_>, payload: T) -> EventEnvelope<T> {
    EventEnvelope {
        event_id: raw.event_id,
        event_type: raw.event_type.clone(),
        timestamp: raw.timestamp,
        version: raw.version.clone(),
        source: raw.source.clone(),
        correlation_ids: raw.correlation_ids.clone(),
        agent_context: raw.agent_context.clone(),
        payload,
    }
}

/// The error for an event that no variant of a set names.
#[must_use]
pub fn unexpected(raw: &RawEnvelope<'_>, expected: &[&'static Declaration]) -> Error {
    crate::event::unexpected(raw, expected)
}

/// The lane of a value (`ordered_by`): equal values, equal lanes, in every process and every version of the program.
pub fn lane<V: std::hash::Hash>(value: &V) -> u64 {
    use std::hash::Hasher;
    let mut hasher = LaneHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// FNV-1a. The standard library may change its hasher with any version, which would give a value another partition.
struct LaneHasher(u64);

impl Default for LaneHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl std::hash::Hasher for LaneHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        // The number of a partition is taken from the lower bits, which know least of the last bytes.
        self.0 ^ (self.0 >> 32)
    }
}
