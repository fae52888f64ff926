//! The webhook that Fireflies sends when a transcript is ready.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{FirefliesTranscriptReady, Participant, Sentence, User, numbers::normalise_numbers};

/// A transcript as Fireflies sends it: at the top level, in `data`, or in `content.data` where n8n forwarded it.
#[derive(Debug, Clone, Deserialize)]
pub struct Webhook {
    id: String,
    #[serde(default)]
    title: Option<String>,
    date: Date,
    #[serde(default)]
    duration: Option<f64>,
    transcript_url: String,
    #[serde(default)]
    audio_url: Option<String>,
    #[serde(default)]
    video_url: Option<String>,
    #[serde(default)]
    sentences: Option<Vec<Sentence>>,
    #[serde(default)]
    summary: Option<Value>,
    #[serde(default)]
    participants: Option<Vec<Person>>,
    #[serde(default)]
    speakers: Option<Vec<Person>>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    host_email: Option<String>,
    #[serde(default)]
    organizer_email: Option<String>,
    #[serde(default)]
    privacy: Option<String>,
    #[serde(default)]
    meeting_link: Option<String>,
    #[serde(default)]
    calendar_id: Option<String>,
    #[serde(default)]
    calendar_type: Option<String>,
    #[serde(default)]
    meeting_info: Option<Map<String, Value>>,
}

/// A time as milliseconds since 1970, or in RFC 3339; without an offset it is UTC.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Date {
    Millis(i64),
    Text(DateTime<Utc>),
    Local(NaiveDateTime),
}

/// A person with an email address, a name, or both.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Person {
    Text(String),
    Named {
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        email: Option<String>,
    },
}

impl Webhook {
    /// Parses the body of a request, which holds one transcript or a list of them, as n8n exports it.
    ///
    /// # Errors
    /// [`WebhookError`] naming the place in the body.
    pub fn read(body: &[u8]) -> Result<Vec<Self>, WebhookError> {
        let value: Value = serde_json::from_slice(body).map_err(|error| WebhookError(format!("no JSON: {error}")))?;
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                Self::from_value(unwrapped(item))
                    .map_err(|WebhookError(error)| WebhookError(format!("transcript {index}: {error}")))
            })
            .collect()
    }

    /// Reads a transcript as the interface of Fireflies gives it: numbers may be text, and whole numbers may end in `.0`.
    ///
    /// # Errors
    /// [`WebhookError`] naming the fault.
    pub fn from_value(mut transcript: Value) -> Result<Self, WebhookError> {
        normalise_numbers(&mut transcript);
        serde_json::from_value(transcript).map_err(|error| WebhookError(format!("no transcript of Fireflies: {error}")))
    }
}

/// Takes the transcript out of the objects around it.
fn unwrapped(mut item: Value) -> Value {
    for wrapper in ["content", "data"] {
        if item.get("transcript_url").is_none()
            && let Some(inner) = item.get_mut(wrapper)
        {
            item = inner.take();
        }
    }
    item
}

impl TryFrom<Webhook> for FirefliesTranscriptReady {
    type Error = WebhookError;

    fn try_from(webhook: Webhook) -> Result<Self, WebhookError> {
        let date = match webhook.date {
            Date::Text(date) => date,
            Date::Local(date) => date.and_utc(),
            Date::Millis(millis) => DateTime::from_timestamp_millis(millis)
                .ok_or_else(|| WebhookError(format!("date {millis} of transcript `{}` is out of range", webhook.id)))?,
        };
        // The event has these, as on the Python side; who organised a meeting stands in for who is missing.
        let Some(organizer) = webhook
            .organizer_email
            .or_else(|| webhook.host_email.clone())
            .or_else(|| Some(webhook.user.as_ref()?.email.clone()))
        else {
            let id = webhook.id;
            return Err(WebhookError(format!(
                "transcript `{id}` names neither host, organizer nor user; one is needed"
            )));
        };
        let host = webhook.host_email.unwrap_or_else(|| organizer.clone());
        let user = webhook.user.unwrap_or_else(|| User {
            user_id: organizer.clone(),
            email: organizer.clone(),
            name: organizer.clone(),
            num_transcripts: None,
            minutes_consumed: None,
            is_admin: None,
        });
        Ok(Self {
            id: webhook.id,
            title: webhook.title.filter(|title| !title.is_empty()).unwrap_or_else(|| "Untitled meeting".to_owned()),
            date,
            duration: webhook.duration.unwrap_or_default(),
            transcript_url: webhook.transcript_url,
            audio_url: webhook.audio_url,
            video_url: webhook.video_url,
            sentences: webhook.sentences.unwrap_or_default(),
            summary: webhook.summary.and_then(|summary| match summary {
                Value::Null => None,
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            }),
            participants: webhook.participants.unwrap_or_default().into_iter().map(Participant::from).collect(),
            speakers: webhook.speakers.unwrap_or_default().into_iter().filter_map(Person::label).collect(),
            user,
            host_email: host,
            organizer_email: organizer,
            privacy: webhook.privacy.unwrap_or_default(),
            meeting_link: webhook.meeting_link,
            calendar_id: webhook.calendar_id,
            calendar_type: webhook.calendar_type,
            raw_meeting_info: webhook.meeting_info,
        })
    }
}

impl Person {
    fn label(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Named { name, email } => name.or(email),
        }
    }
}

impl From<Person> for Participant {
    fn from(person: Person) -> Self {
        match person {
            Person::Named { name, email } => Self { name, email },
            Person::Text(text) if text.contains('@') => Self { name: None, email: Some(text) },
            Person::Text(text) => Self { name: Some(text), email: None },
        }
    }
}

/// A body that is not a transcript of Fireflies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookError(String);

impl fmt::Display for WebhookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WebhookError {}
