//! Events of artifacts: files and documents that were created, updated or deleted.

use bloodbank_macros::{Event, RoutingSegment};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::defaults::yes;

// No `id(…)`: the same artifact changes more than once.
/// An artifact, such as a file or a document, was created, updated or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "artifact.{action}", validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct Artifact {
    /// The change: created, updated or deleted.
    pub action: ArtifactAction,
    /// The kind of artifact, such as `transcript`.
    #[garde(length(min = 1))]
    pub kind: String,
    /// The URI of the artifact.
    #[garde(length(min = 1))]
    pub uri: String,
    /// The title of the artifact.
    #[serde(default)]
    pub title: Option<String>,
    /// The text of the artifact.
    #[serde(default)]
    pub content: Option<String>,
    /// Further data about the artifact.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The change that an artifact underwent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, RoutingSegment)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactAction {
    /// The artifact was created.
    Created,
    /// The artifact was updated.
    Updated,
    /// The artifact was deleted.
    Deleted,
}

/// An artifact could not be ingested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate, Event)]
#[event(routing_key = "artifact.ingestion.failed", failure, validate, example = Self::sample())]
#[garde(allow_unvalidated)]
pub struct ArtifactIngestionFailed {
    /// The URI of the artifact.
    #[garde(length(min = 1))]
    pub artifact_uri: String,
    /// The kind of artifact, such as `transcript`.
    #[garde(length(min = 1))]
    pub artifact_kind: String,
    /// The error message, for people.
    pub error_message: String,
    /// The error code, for programs.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The number of attempts before this one.
    #[serde(default)]
    pub retry_count: u32,
    /// Whether another attempt can succeed.
    #[serde(default = "yes")]
    pub is_retryable: bool,
    /// Further data, such as the id of the event that was being handled.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}
