//! Events of meetings recorded by Fireflies: from the upload of a recording to its transcript in a vector store.

mod notification;
mod numbers;
mod webhook;

use bloodbank_core::envelope::read_time;
use bloodbank_macros::Event;
use chrono::{DateTime, Utc};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::defaults::{now, without_default, yes};

pub use notification::Notification;
pub use webhook::{Webhook, WebhookError};

/// A recording was uploaded to Fireflies for transcription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.upload", id(user_id, media_file), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptUpload {
    /// The path or URL of the recording.
    #[garde(length(min = 1))]
    pub media_file: String,
    /// The length of the recording, in seconds.
    pub media_duration_seconds: u64,
    /// The media type of the recording, such as `audio/mpeg`.
    #[garde(length(min = 1))]
    pub media_type: String,
    /// The title of the meeting.
    #[serde(default)]
    pub title: Option<String>,
    /// The Fireflies user who uploaded the recording.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The time of the upload.
    #[serde(default = "now", deserialize_with = "read_time")]
    #[schemars(transform = without_default)]
    pub created_at: DateTime<Utc>,
}

/// Fireflies says that the transcript of a meeting can be fetched; this event does not hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.available", id(meeting_id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptAvailable {
    /// The Fireflies id of the meeting.
    #[garde(length(min = 1))]
    pub meeting_id: String,
    /// The reference that the uploader gave to Fireflies.
    #[serde(default)]
    pub client_reference_id: Option<String>,
}

/// Fetches the transcript of a meeting from Fireflies and publishes it as `fireflies.transcript.ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.fetch", command, reply = FirefliesTranscriptReady, id(meeting_id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptFetch {
    /// The Fireflies id of the meeting.
    #[garde(length(min = 1))]
    pub meeting_id: String,
}

/// Fireflies finished the transcript of a meeting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.ready", id(id), validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptReady {
    /// The Fireflies id of the meeting.
    #[garde(length(min = 1))]
    pub id: String,
    /// The title of the meeting.
    pub title: String,
    /// The time of the meeting.
    #[serde(deserialize_with = "read_time")]
    pub date: DateTime<Utc>,
    /// The length of the meeting, in minutes.
    #[garde(range(min = 0.0))]
    pub duration: f64,
    /// The web page of the transcript.
    #[garde(url)]
    pub transcript_url: String,
    /// The URL of the audio recording.
    #[serde(default)]
    pub audio_url: Option<String>,
    /// The URL of the video recording.
    #[serde(default)]
    pub video_url: Option<String>,
    /// The sentences of the transcript, in order.
    #[garde(dive)]
    pub sentences: Vec<Sentence>,
    /// The summary of the meeting.
    #[serde(default)]
    pub summary: Option<String>,
    /// The people who were invited to the meeting.
    #[serde(default)]
    pub participants: Vec<Participant>,
    /// The names of the people who spoke.
    #[serde(default)]
    pub speakers: Vec<String>,
    /// The Fireflies account that recorded the meeting.
    #[garde(dive)]
    pub user: User,
    /// The host's email address.
    #[garde(email)]
    pub host_email: String,
    /// The organiser's email address.
    #[garde(email)]
    pub organizer_email: String,
    /// The visibility of the transcript, such as `link` or `owner`.
    pub privacy: String,
    /// The link to join the meeting.
    #[serde(default)]
    pub meeting_link: Option<String>,
    /// The id of the meeting in the calendar.
    #[serde(default)]
    pub calendar_id: Option<String>,
    /// The kind of calendar, such as `google`.
    #[serde(default)]
    pub calendar_type: Option<String>,
    /// Further data from Fireflies about the meeting.
    #[serde(default)]
    pub raw_meeting_info: Option<Map<String, Value>>,
}

/// A sentence of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct Sentence {
    /// The position of the sentence in the transcript, from 0.
    pub index: u32,
    /// The name of the speaker.
    #[serde(default)]
    pub speaker_name: Option<String>,
    /// The number of the speaker in the transcript.
    #[serde(default)]
    pub speaker_id: Option<i64>,
    /// The sentence as it was recognised.
    pub raw_text: String,
    /// The sentence with punctuation and capitals.
    pub text: String,
    /// The start of the sentence in the recording, in seconds.
    #[garde(range(min = 0.0))]
    pub start_time: f64,
    /// The end of the sentence in the recording, in seconds.
    #[garde(range(min = 0.0))]
    pub end_time: f64,
    /// The categories that Fireflies assigned to the sentence.
    #[serde(default)]
    pub ai_filters: Option<AiFilters>,
}

/// The categories that Fireflies assigns to a sentence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AiFilters {
    /// The cleaned-up text of the sentence.
    pub text_cleanup: Option<String>,
    /// A task in the sentence.
    pub task: Option<String>,
    /// A price in the sentence.
    pub pricing: Option<String>,
    /// A figure in the sentence.
    pub metric: Option<String>,
    /// A question in the sentence.
    pub question: Option<String>,
    /// A date or a time in the sentence.
    pub date_and_time: Option<String>,
    /// The sentiment of the sentence, such as `positive`.
    pub sentiment: Option<String>,
}

/// A person who was invited to a meeting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Participant {
    /// The participant's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The participant's email address.
    #[serde(default)]
    pub email: Option<String>,
}

/// The Fireflies account that recorded a meeting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct User {
    /// The id of the account.
    #[garde(length(min = 1))]
    pub user_id: String,
    /// The account holder's email address.
    #[garde(email)]
    pub email: String,
    /// The account holder's name.
    pub name: String,
    /// The number of transcripts in the account.
    #[serde(default)]
    pub num_transcripts: Option<u64>,
    /// The minutes of transcription that the account has used.
    #[serde(default)]
    #[garde(range(min = 0.0))]
    pub minutes_consumed: Option<f64>,
    /// Whether the account can administer others.
    #[serde(default)]
    pub is_admin: Option<bool>,
}

/// A transcript was split into chunks and stored in a vector store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.processed", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptProcessed {
    /// The Fireflies id of the meeting.
    #[garde(length(min = 1))]
    pub transcript_id: String,
    /// The id of the transcript in the vector store.
    #[garde(length(min = 1))]
    pub rag_document_id: String,
    /// The title of the meeting.
    pub title: String,
    /// The time at which the transcript was stored.
    #[serde(deserialize_with = "read_time")]
    pub ingestion_timestamp: DateTime<Utc>,
    /// The number of sentences in the transcript.
    pub sentence_count: u32,
    /// The number of speakers in the transcript.
    pub speaker_count: u32,
    /// The length of the meeting, in minutes.
    #[garde(range(min = 0.0))]
    pub duration_minutes: f64,
    /// The name of the vector store.
    #[garde(length(min = 1))]
    pub vector_store: String,
    /// The number of chunks that were stored.
    #[serde(default)]
    pub chunk_count: u32,
    /// The model that computed the embeddings.
    #[serde(default)]
    pub embedding_model: Option<String>,
    /// Further data about the transcript.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A recording could not be uploaded, transcribed or processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fireflies.transcript.failed", failure, example = Self::sample())]
pub struct FirefliesTranscriptFailed {
    /// The stage that failed.
    pub failed_stage: FailedStage,
    /// The error message, for people.
    pub error_message: String,
    /// The error code, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The Fireflies id of the meeting, if known.
    #[serde(default)]
    pub transcript_id: Option<String>,
    /// The path or URL of the recording, if known.
    #[serde(default)]
    pub media_file: Option<String>,
    /// The time of the failure.
    #[serde(default = "now", deserialize_with = "read_time")]
    #[schemars(transform = without_default)]
    pub timestamp: DateTime<Utc>,
    /// Whether another attempt can succeed.
    #[serde(default = "yes")]
    pub is_retryable: bool,
    /// The number of attempts before this one.
    #[serde(default)]
    pub retry_count: u32,
    /// Further data about the failure.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The stages from a recording to a processed transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailedStage {
    /// The upload of the recording.
    Upload,
    /// The transcription by Fireflies.
    Transcription,
    /// The processing of the transcript, such as storing it in a vector store.
    Processing,
}
