//! Dead letters as the gateway answers with them, and as the command line shows them wherever it has them from.

use bloodbank_core::dead_letter::{DeadLetter, Report};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// A dead letter as JSON, with its message where that was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetterView {
    /// The id of the event; `None` where the message does not tell it.
    pub event_id: Option<Uuid>,
    /// The type of the event; where the message does not tell it, the routing key of the message.
    pub event_type: String,
    /// The queue of the subscriber that gave it up.
    pub queue: String,
    /// The reason why the subscriber gave it up.
    pub reason: String,
    /// The error of the last attempt.
    pub error: Option<String>,
    /// The number of attempts.
    pub attempts: u32,
    /// The time at which the first attempt failed.
    pub first_failed: Option<DateTime<Utc>>,
    /// The time at which the last attempt failed.
    pub last_failed: Option<DateTime<Utc>>,
    /// The time of publishing, to the second.
    pub published: Option<DateTime<Utc>>,
    /// The number of earlier redrives.
    pub redriven: u32,
    /// Whether this program can decode the event now.
    pub readable: bool,
    /// The reason why this program cannot decode the event.
    pub unreadable_because: Option<String>,
    /// The headers of the message, as pairs of name and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<(String, Value)>>,
    /// The envelope; text where the message is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
}

impl DeadLetterView {
    /// The view of a letter without its message.
    #[must_use]
    pub fn summary(letter: &DeadLetter) -> Self {
        let readable = letter.decode().map(|_| ());
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
            headers: None,
            message: None,
        }
    }

    /// The view of a letter with its headers and its message.
    #[must_use]
    pub fn whole(letter: &DeadLetter) -> Self {
        let headers = letter.message.properties.headers.iter();
        let body = &letter.message.body;
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        Self {
            headers: Some(headers.map(|(name, value)| (name.to_string(), json!(value))).collect()),
            message: Some(serde_json::from_slice(body).unwrap_or_else(|_| text())),
            ..Self::summary(letter)
        }
    }
}

/// The result of a redrive or a discard.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweepReport {
    /// The selected letters, the oldest first.
    pub letters: Vec<SweptLetter>,
    /// The error that ended the sweep early. Letters that are missing in `letters` are untouched.
    pub interrupted: Option<String>,
}

/// The result of a redrive or a discard for one dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SweptLetter {
    /// The id of the event; `None` where the message does not tell it.
    pub event_id: Option<Uuid>,
    /// The type of the event.
    pub event_type: String,
    /// The queue of the subscriber that gave it up.
    pub queue: String,
    /// The reason why the letter stays; `None` where it is done, or would be in a dry run.
    pub error: Option<String>,
}

impl From<Report> for SweepReport {
    fn from(report: Report) -> Self {
        let letters = report.letters.into_iter().map(|settled| SweptLetter {
            event_id: settled.letter.event_id,
            event_type: settled.letter.event_type,
            queue: settled.letter.queue.to_string(),
            error: settled.result.err().map(|error| error.to_string()),
        });
        Self { letters: letters.collect(), interrupted: report.interrupted.map(|error| error.to_string()) }
    }
}
