//! Meetings recorded by Fireflies: from the upload of the recording to the transcript in a vector store.

mod webhook;

use bloodbank_macros::Event;
use chrono::{DateTime, Utc};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use webhook::{Webhook, WebhookError};

/// A recording was handed over for transcription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.upload", id(user_id, media_file), validate)]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptUpload {
    /// Where the recording lies.
    #[garde(length(min = 1))]
    pub media_file: String,
    /// Its length, in seconds.
    pub media_duration_seconds: u64,
    /// Its media type, such as `audio/mpeg`.
    #[garde(length(min = 1))]
    pub media_type: String,
    /// The title of the meeting.
    #[serde(default)]
    pub title: Option<String>,
    /// Who handed it over.
    #[serde(default)]
    pub user_id: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A transcript can be fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.ready", id(id), validate)]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptReady {
    /// The id of the meeting.
    #[garde(length(min = 1))]
    pub id: String,
    /// Its title.
    pub title: String,
    /// When it took place.
    pub date: DateTime<Utc>,
    /// How long it took, in minutes.
    #[garde(range(min = 0.0))]
    pub duration: f64,
    /// The page of the transcript.
    #[garde(url)]
    pub transcript_url: String,
    /// The sound.
    #[serde(default)]
    pub audio_url: Option<String>,
    /// The picture.
    #[serde(default)]
    pub video_url: Option<String>,
    /// What was said.
    #[garde(dive)]
    pub sentences: Vec<Sentence>,
    /// What it was about.
    #[serde(default)]
    pub summary: Option<String>,
    /// Who was invited.
    pub participants: Vec<Participant>,
    /// Who spoke.
    pub speakers: Vec<String>,
    /// Whose account recorded it.
    #[garde(dive)]
    pub user: User,
    /// Who held it.
    #[garde(email)]
    pub host_email: String,
    /// Who called it.
    #[garde(email)]
    pub organizer_email: String,
    /// Who may see it.
    pub privacy: String,
    /// Where it took place.
    #[serde(default)]
    pub meeting_link: Option<String>,
    /// Its place in the calendar.
    #[serde(default)]
    pub calendar_id: Option<String>,
    /// Which calendar.
    #[serde(default)]
    pub calendar_type: Option<String>,
    /// What else Fireflies says about it.
    #[serde(default)]
    pub raw_meeting_info: Option<Map<String, Value>>,
}

/// A sentence of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct Sentence {
    /// Its place, from 0.
    pub index: u32,
    /// Who said it.
    #[serde(default)]
    pub speaker_name: Option<String>,
    /// Who said it, as a number.
    #[serde(default)]
    pub speaker_id: Option<i64>,
    /// As it was heard.
    pub raw_text: String,
    /// As it is read.
    pub text: String,
    /// When it begins, in seconds.
    #[garde(range(min = 0.0))]
    pub start_time: f64,
    /// When it ends, in seconds.
    #[garde(range(min = 0.0))]
    pub end_time: f64,
    /// What was recognised in it.
    #[serde(default)]
    pub ai_filters: Option<AiFilters>,
}

/// What Fireflies recognises in a sentence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AiFilters {
    /// The cleaned text.
    pub text_cleanup: Option<String>,
    /// A task.
    pub task: Option<String>,
    /// A price.
    pub pricing: Option<String>,
    /// A figure.
    pub metric: Option<String>,
    /// A question.
    pub question: Option<String>,
    /// A date.
    pub date_and_time: Option<String>,
    /// The mood.
    pub sentiment: Option<String>,
}

/// Somebody who was invited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Participant {
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// The address.
    #[serde(default)]
    pub email: Option<String>,
}

/// Whose account recorded a meeting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct User {
    /// The account.
    #[garde(length(min = 1))]
    pub user_id: String,
    /// The address.
    #[garde(email)]
    pub email: String,
    /// The name.
    pub name: String,
    /// How many transcripts the account has.
    #[serde(default)]
    pub num_transcripts: Option<u64>,
    /// How many minutes it has used.
    #[serde(default)]
    #[garde(range(min = 0.0))]
    pub minutes_consumed: Option<f64>,
    /// Whether it administers others.
    #[serde(default)]
    pub is_admin: Option<bool>,
}

/// A transcript was split and put into a vector store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "fireflies.transcript.processed", validate)]
#[garde(allow_unvalidated)]
pub struct FirefliesTranscriptProcessed {
    /// The id of the meeting.
    #[garde(length(min = 1))]
    pub transcript_id: String,
    /// Its id in the store.
    #[garde(length(min = 1))]
    pub rag_document_id: String,
    /// Its title.
    pub title: String,
    /// When it was put there.
    pub ingestion_timestamp: DateTime<Utc>,
    /// How many sentences.
    pub sentence_count: u32,
    /// How many speakers.
    pub speaker_count: u32,
    /// How long it took, in minutes.
    #[garde(range(min = 0.0))]
    pub duration_minutes: f64,
    /// Which store.
    #[garde(length(min = 1))]
    pub vector_store: String,
    /// How many chunks.
    pub chunk_count: u32,
    /// Which model embeds them.
    #[serde(default)]
    pub embedding_model: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A transcript came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fireflies.transcript.failed", failure)]
pub struct FirefliesTranscriptFailed {
    /// Where it failed.
    pub failed_stage: FailedStage,
    /// What went wrong, for people.
    pub error_message: String,
    /// What went wrong, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The meeting, where it is known.
    #[serde(default)]
    pub transcript_id: Option<String>,
    /// The recording, where it is known.
    #[serde(default)]
    pub media_file: Option<String>,
    /// When.
    pub timestamp: DateTime<Utc>,
    /// Whether another attempt can help.
    #[serde(default)]
    pub is_retryable: bool,
    /// How many attempts were made before.
    #[serde(default)]
    pub retry_count: u32,
    /// Anything else.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A stage of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailedStage {
    /// Handing over the recording.
    Upload,
    /// Writing down what was said.
    Transcription,
    /// Putting it into a store.
    Processing,
}
