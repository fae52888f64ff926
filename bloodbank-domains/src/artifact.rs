//! Artifacts: files and documents that came, changed or went.

use bloodbank_macros::{Event, RoutingSegment};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An artifact came, changed or went. The same file changes often, so there is no declared id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "artifact.{action}", validate)]
#[garde(allow_unvalidated)]
pub struct Artifact {
    /// What happened.
    pub action: ArtifactAction,
    /// What kind of artifact.
    #[garde(length(min = 1))]
    pub kind: String,
    /// Where it lies.
    #[garde(length(min = 1))]
    pub uri: String,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Its text.
    #[serde(default)]
    pub content: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What happened to an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, RoutingSegment)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactAction {
    /// It came.
    Created,
    /// It changed.
    Updated,
    /// It went.
    Deleted,
}

/// An artifact could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "artifact.ingestion.failed", failure, validate)]
#[garde(allow_unvalidated)]
pub struct ArtifactIngestionFailed {
    /// Where it lies.
    #[garde(length(min = 1))]
    pub artifact_uri: String,
    /// What kind of artifact.
    #[garde(length(min = 1))]
    pub artifact_kind: String,
    /// What went wrong, for people.
    pub error_message: String,
    /// What went wrong, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// How many attempts were made before.
    #[serde(default)]
    pub retry_count: u32,
    /// Whether another attempt can help.
    #[serde(default)]
    pub is_retryable: bool,
    /// Anything else, such as the event that failed.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
