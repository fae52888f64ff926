//! Dead letters and sweeps as data: the one format of listings, whether from a bus, a command line or over HTTP.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DeadLetter, Handle, Report};
use crate::message::{Headers, hex_digits};

/// The detail of a listing: with or without the messages.
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
    /// The handle, by which the dead letter is shown, redriven or discarded.
    pub handle: Handle,
    /// The id of the event; `None`: the message does not name it.
    pub event_id: Option<Uuid>,
    /// The type of the event; if the message does not name it, the routing key it came with.
    pub event_type: String,
    /// The queue of the subscriber that gave the event up.
    pub queue: String,
    /// The exchange that the message came through before it was given up.
    pub exchange: String,
    /// The routing key that the message came with before it was given up.
    pub routing_key: String,
    /// The reason why the event was given up, in one word.
    pub reason: String,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// The number of attempts; 0 for one that waits behind another one of its key.
    pub attempts: u32,
    /// The time at which the first attempt failed.
    pub first_failed: Option<DateTime<Utc>>,
    /// The time at which the last attempt failed.
    pub last_failed: Option<DateTime<Utc>>,
    /// The time of publishing, to the second.
    pub published: Option<DateTime<Utc>>,
    /// The number of times the event was redriven before.
    pub redriven: u32,
    /// Whether this program can decode the event now.
    pub readable: bool,
    /// The reason why this program cannot decode the event.
    pub unreadable_because: Option<String>,
    /// The properties of the message that are not above, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Value>,
    /// The headers of the message, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
    /// The body: JSON, or text where it is no JSON, or `{"bytes": …}` in hexadecimal digits where it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
}

impl DeadLetterEntry {
    /// The entry of a dead letter.
    #[must_use]
    pub fn of(letter: &DeadLetter, detail: DeadLetterDetail) -> Self {
        let readable = letter.decode().map(|_| ());
        let is_whole = detail == DeadLetterDetail::Message;
        let message = &letter.message;
        Self {
            handle: letter.handle,
            event_id: letter.event_id,
            event_type: letter.event_type.clone(),
            queue: letter.queue.to_string(),
            exchange: letter.exchange.to_string(),
            routing_key: letter.routing_key.to_string(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            first_failed: letter.first_failed,
            last_failed: letter.last_failed,
            published: letter.published,
            redriven: letter.redriven,
            readable: readable.is_ok(),
            unreadable_because: readable.err().map(|error| error.to_string()),
            properties: is_whole.then(|| properties(letter)),
            headers: is_whole.then(|| message.properties.headers.clone()),
            message: is_whole.then(|| body(&message.body)),
        }
    }
}

fn properties(letter: &DeadLetter) -> Value {
    let mut properties = json!(letter.message.properties);
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("headers");
    }
    properties
}

fn body(body: &[u8]) -> Value {
    match (serde_json::from_slice(body), std::str::from_utf8(body)) {
        (Ok(json), _) => json,
        (Err(_), Ok(text)) => Value::String(text.to_owned()),
        (Err(_), Err(_)) => json!({ "bytes": hex_digits(body) }),
    }
}

/// The result of a redrive or a discard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweepReport {
    /// The selected dead letters, the oldest first.
    pub letters: Vec<SweptDeadLetter>,
    /// The error that ended the sweep early; dead letters that are not in `letters` are untouched.
    pub interrupted: Option<String>,
}

/// The result of a redrive or a discard for one dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweptDeadLetter {
    /// The handle of the dead letter.
    pub handle: Handle,
    /// The id of the event; `None`: the message does not name it.
    pub event_id: Option<Uuid>,
    /// The type of the event.
    pub event_type: String,
    /// The queue of the subscriber that gave the event up.
    pub queue: String,
    /// The reason why the dead letter is still there; `None`: it is done, or would be in a dry run.
    pub error: Option<String>,
}

impl From<Report> for SweepReport {
    fn from(report: Report) -> Self {
        let letters = report.letters.into_iter().map(|settled| SweptDeadLetter {
            handle: settled.letter.handle,
            event_id: settled.letter.event_id,
            event_type: settled.letter.event_type,
            queue: settled.letter.queue.to_string(),
            error: settled.result.err().map(|error| error.to_string()),
        });
        Self { letters: letters.collect(), interrupted: report.interrupted.map(|error| error.to_string()) }
    }
}
