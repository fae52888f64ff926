//! Dead letters as a listing has them, the same from a bus and from a gateway.

use bloodbank_core::{
    dead_letter::{DeadLetter, Filter, Report},
    routing::BindingPattern,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// How much of a dead letter is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeadLetterDetail {
    /// Everything but the headers and the message.
    #[default]
    Summary,
    /// The headers and the message too.
    Message,
}

/// A dead letter in a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetterEntry {
    /// The id of the event; `None`: the message does not say.
    pub event_id: Option<Uuid>,
    /// The type of the event; where the message does not say, the key it came with.
    pub event_type: String,
    /// The queue of the subscriber that gave the event up.
    pub queue: String,
    /// Why the event was given up, in one word.
    pub reason: String,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// The number of attempts.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed: Option<DateTime<Utc>>,
    /// When the last attempt failed.
    pub last_failed: Option<DateTime<Utc>>,
    /// When the event was published, to the second.
    pub published: Option<DateTime<Utc>>,
    /// How often the event was redriven before.
    pub redriven: u32,
    /// Whether this program can decode the event now.
    pub readable: bool,
    /// Why this program cannot decode the event.
    pub unreadable_because: Option<String>,
    /// The headers of the message, as pairs of name and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<(String, Value)>>,
    /// The envelope; text where the message is no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
}

impl DeadLetterEntry {
    /// The entry of a dead letter.
    #[must_use]
    pub fn of(letter: &DeadLetter, detail: DeadLetterDetail) -> Self {
        let readable = letter.decode().map(|_| ());
        let (headers, message) = match detail {
            DeadLetterDetail::Summary => (None, None),
            DeadLetterDetail::Message => {
                let headers = letter.message.properties.headers.iter();
                let body = &letter.message.body;
                let text = || Value::String(String::from_utf8_lossy(body).into_owned());
                (
                    Some(headers.map(|(name, value)| (name.to_string(), json!(value))).collect()),
                    Some(serde_json::from_slice(body).unwrap_or_else(|_| text())),
                )
            }
        };
        Self {
            event_id: letter.event_id,
            event_type: letter.event_type.clone(),
            queue: letter.queue.to_string(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            first_failed: letter.first_failed,
            last_failed: letter.last_failed,
            published: letter.published,
            redriven: letter.redriven,
            readable: readable.is_ok(),
            unreadable_because: readable.err().map(|error| error.to_string()),
            headers,
            message,
        }
    }
}

/// What is done with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepAction {
    /// They go back to the subscriber that gave them up.
    Redrive,
    /// They are dropped for good.
    Discard,
}

impl SweepAction {
    /// The name of the action at the gateway: `redrive` or `discard`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
        }
    }
}

/// What became of the dead letters that were redriven or discarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweepReport {
    /// The dead letters that were meant, the oldest first.
    pub letters: Vec<SweptDeadLetter>,
    /// Why the sweep ended early; dead letters that are not in `letters` are untouched.
    pub interrupted: Option<String>,
}

/// What became of one dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweptDeadLetter {
    /// The id of the event; `None`: the message does not say.
    pub event_id: Option<Uuid>,
    /// The type of the event.
    pub event_type: String,
    /// The queue of the subscriber that gave the event up.
    pub queue: String,
    /// Why the dead letter is still there; `None`: it is done, or would be.
    pub error: Option<String>,
}

impl From<Report> for SweepReport {
    fn from(report: Report) -> Self {
        let letters = report.letters.into_iter().map(|settled| SweptDeadLetter {
            event_id: settled.letter.event_id,
            event_type: settled.letter.event_type,
            queue: settled.letter.queue.to_string(),
            error: settled.result.err().map(|error| error.to_string()),
        });
        Self { letters: letters.collect(), interrupted: report.interrupted.map(|error| error.to_string()) }
    }
}

/// A filter in the query of a gateway.
pub(crate) fn query(filter: &Filter) -> Vec<(&'static str, String)> {
    let Filter { event_ids, event_type, reason, error, since, before, decodes, limit } = filter;
    let mut query: Vec<_> = event_ids.iter().map(|id| ("id", id.to_string())).collect();
    let mut add = |name, value: Option<String>| query.extend(value.map(|value| (name, value)));
    add("type", event_type.as_ref().map(BindingPattern::to_string));
    add("reason", reason.clone());
    add("error", error.clone());
    add("since", since.as_ref().map(DateTime::to_rfc3339));
    add("before", before.as_ref().map(DateTime::to_rfc3339));
    add("readable", decodes.map(|decodes| decodes.to_string()));
    add("limit", limit.map(|limit| limit.to_string()));
    query
}
