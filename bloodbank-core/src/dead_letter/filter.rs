//! Which dead letters are meant.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::DeadLetter;
use crate::routing::BindingPattern;

/// Which dead letters are meant; the default is all of them. Every condition must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One of these events; empty: any.
    pub event_ids: Vec<Uuid>,
    /// Of a type that this pattern matches.
    pub event_type: Option<BindingPattern>,
    /// Given up for this reason: `failed`, `attempts`, `undecodable`, `delivery_limit`, …
    pub reason: Option<String>,
    /// With an error that contains this text.
    pub error: Option<String>,
    /// Failed for the last time then or later.
    pub since: Option<DateTime<Utc>>,
    /// Failed for the last time before.
    pub before: Option<DateTime<Utc>>,
    /// Whether this program can decode it now.
    pub decodes: Option<bool>,
    /// So many at most, the oldest first.
    pub limit: Option<usize>,
}

impl Filter {
    /// One event.
    #[must_use]
    pub fn event(event_id: Uuid) -> Self {
        Self { event_ids: vec![event_id], ..Self::default() }
    }

    /// Whether a letter passes, the limit aside.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        let Self { event_ids, event_type, reason, error, since, before, decodes, limit: _ } = self;
        // A time that nobody knows is on neither side of another.
        let failed = letter.last_failed.or(letter.published);
        (event_ids.is_empty() || letter.event_id.is_some_and(|id| event_ids.contains(&id)))
            && event_type.as_ref().is_none_or(|pattern| pattern.matches(&letter.event_type))
            && reason.as_ref().is_none_or(|reason| *reason == letter.reason)
            && error.as_ref().is_none_or(|text| letter.error.as_ref().is_some_and(|error| error.contains(text.as_str())))
            && since.is_none_or(|since| failed.is_some_and(|failed| failed >= since))
            && before.is_none_or(|before| failed.is_some_and(|failed| failed < before))
            // Last: it costs the most.
            && decodes.is_none_or(|decodes| letter.decode().is_ok() == decodes)
    }
}
