//! Examples of artifacts.

use serde_json::Map;

use super::some;
use crate::artifact::{Artifact, ArtifactAction, ArtifactIngestionFailed};

impl Artifact {
    pub(crate) fn sample() -> Self {
        Self {
            action: ArtifactAction::Created,
            kind: "transcript".to_owned(),
            uri: "file:///srv/transcripts/standup.txt".to_owned(),
            title: some("Team stand-up"),
            content: some("Ana: Ship it?"),
            metadata: Map::from_iter([("mime_type".to_owned(), "text/plain".into())]),
        }
    }
}

impl ArtifactIngestionFailed {
    pub(crate) fn sample() -> Self {
        Self {
            artifact_uri: "file:///srv/transcripts/standup.txt".to_owned(),
            artifact_kind: "transcript".to_owned(),
            error_message: "the file is empty".to_owned(),
            error_code: some("EMPTY"),
            retry_count: 0,
            is_retryable: false,
            metadata: Map::from_iter([("stage".to_owned(), "reading".into())]),
        }
    }
}
