//! What is different today, as data and as text.

use std::fmt;

use bloodbank_core::store::JournalEntry;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// A follow-up that is different today.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The type of the event that was handled.
    pub cause_type: String,
    /// The id of the event that was handled.
    pub cause: Uuid,
    /// The type of the follow-up.
    pub event_type: String,
    /// The id of the follow-up.
    pub event_id: Uuid,
    /// What is different about it.
    pub change: Change,
}

/// What is different about a follow-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// It was published then, and is not today.
    Missing,
    /// It is published today, and was not then; its payload.
    New(Value),
    /// Its payload is another one.
    Payload(Vec<FieldChange>),
    /// The subscriber gave the event up; the error.
    GaveUp(String),
}

/// A place in a payload that is different.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FieldChange {
    /// The JSON pointer of the place.
    pub pointer: String,
    /// What was there then.
    pub then: Option<Value>,
    /// What is there today.
    pub today: Option<Value>,
}

impl FieldChange {
    pub(super) fn new(pointer: String, then: Option<&Value>, today: Option<&Value>) -> Self {
        Self { pointer, then: then.cloned(), today: today.cloned() }
    }
}

/// Everything that is different today.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Differences {
    /// The events that were handled by at least one subscriber.
    pub handled: usize,
    /// The follow-ups that are as they were.
    pub unchanged: usize,
    /// Those that are not, in the order of their causes.
    pub differences: Vec<Difference>,
    /// The recording with the follow-ups of today in place of those of then.
    pub(super) today: Vec<JournalEntry>,
}

impl Differences {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// The recording with the follow-ups of today in place of those of then.
    #[must_use]
    pub fn accepted(&self) -> super::Recording {
        super::Recording::new(self.today.clone())
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for difference in &self.differences {
            let Difference { cause_type, cause, event_type, event_id, change } = difference;
            if last != Some(cause) {
                writeln!(f, "{cause_type} {cause}")?;
                last = Some(cause);
            }
            match change {
                Change::Missing => writeln!(f, "  - {event_type} {event_id}")?,
                Change::New(payload) => writeln!(f, "  + {event_type} {event_id} {payload}")?,
                Change::GaveUp(error) => writeln!(f, "  ! given up: {error}")?,
                Change::Payload(fields) => {
                    writeln!(f, "  ~ {event_type} {event_id}")?;
                    for FieldChange { pointer, then, today } in fields {
                        let pointer = if pointer.is_empty() { "the payload" } else { pointer };
                        let shown =
                            |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
                        writeln!(f, "      {pointer}: {} → {}", shown(then), shown(today))?;
                    }
                }
            }
        }
        let (handled, unchanged, changed) = (self.handled, self.unchanged, self.differences.len());
        write!(f, "{handled} events handled, {unchanged} follow-ups as recorded, {changed} different")
    }
}
