//! Filters for dead letters.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{DeadLetter, Handle};
use crate::routing::BindingPattern;

/// A filter for dead letters; the default selects all of them. Every condition must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The handles to select; empty: any.
    pub handles: Vec<Handle>,
    /// A pattern that the event type matches.
    pub event_type: Option<BindingPattern>,
    /// The reason for which the message was given up: `failed`, `attempts`, `undecodable`, `delivery_limit`, …
    pub reason: Option<String>,
    /// A text that the error contains.
    pub error: Option<String>,
    /// The earliest time of the last failure, inclusive; the time of publishing stands in for an unknown one.
    pub since: Option<DateTime<Utc>>,
    /// The end of the time of the last failure, exclusive; the time of publishing stands in for an unknown one.
    pub before: Option<DateTime<Utc>>,
    /// Whether this program can decode the dead letter now.
    pub decodes: Option<bool>,
    /// The largest number of dead letters to select, the oldest first.
    pub limit: Option<usize>,
}

impl Filter {
    /// A filter for one event.
    #[must_use]
    pub fn event(event_id: Uuid) -> Self {
        Self::handle(event_id.into())
    }

    /// A filter for one dead letter, or for several that share a handle.
    #[must_use]
    pub fn handle(handle: Handle) -> Self {
        Self { handles: vec![handle], ..Self::default() }
    }

    /// Whether a dead letter passes the filter, the limit aside.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let Self { handles, event_type, reason, error, since, before, decodes, limit: _ } = self;
        // A time that nobody knows is on neither side of another.
        let failed = letter.time();
        (handles.is_empty() || handles.contains(&letter.handle))
            && event_type.as_ref().is_none_or(|pattern| pattern.matches(&letter.event_type))
            && reason.as_ref().is_none_or(|reason| *reason == letter.reason)
            && error.as_ref().is_none_or(|text| letter.error.as_ref().is_some_and(|error| error.contains(text.as_str())))
            && since.is_none_or(|since| failed.is_some_and(|failed| failed >= since))
            && before.is_none_or(|before| failed.is_some_and(|failed| failed < before))
            // Last: it costs the most.
            && decodes.is_none_or(|decodes| letter.decode().is_ok() == decodes)
    }
}
