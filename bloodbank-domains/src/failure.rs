//! From any error to the failure event of a domain: one convention for all of them.
//!
//! | of the failure event | is |
//! |---|---|
//! | `error_message` | the error and everything underneath it, in one line |
//! | `error_code` | a word for programs, in capitals |
//! | `is_retryable` | what the error knows about itself; otherwise true, as for every error of a subscriber |
//! | `retry_count` | the attempts before this one; the runtime sets it too |
//! | `metadata.stage` | where it happened; Fireflies has the field `failed_stage` for it |
//! | `metadata.original_event_id` | the event that was being handled; also the parent of the failure event |
//!
//! ```
//! # use bloodbank_core::Context;
//! # use bloodbank_domains::{artifact::{Artifact, ArtifactIngestionFailed}, failure::Failure};
//! fn read(artifact: &Artifact, context: &Context) -> Result<String, ArtifactIngestionFailed> {
//!     std::fs::read_to_string(&artifact.uri).map_err(|error| {
//!         let failure = Failure::of(&error).stage("reading").code("UNREADABLE").while_handling(context);
//!         ArtifactIngestionFailed::new(&artifact.uri, &artifact.kind, failure)
//!     })
//! }
//! ```

use std::error::Error;

use bloodbank_core::{Context, claim_check::ClaimError};
use chrono::Utc;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    agent::AgentThreadError,
    artifact::ArtifactIngestionFailed,
    fireflies::{FailedStage, FirefliesTranscriptFailed},
    llm::LlmError,
};

/// Where a failure happened, in `metadata`.
pub const STAGE: &str = "stage";
/// The event that was being handled, in `metadata`.
pub const ORIGINAL_EVENT_ID: &str = "original_event_id";

/// What went wrong, before it is the event of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    code: Option<String>,
    stage: Option<String>,
    is_retryable: bool,
    retry_count: u32,
    original_event_id: Option<Uuid>,
}

impl Failure {
    /// What this error says.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        Self {
            message: chain(error),
            code: None,
            stage: None,
            is_retryable: is_retryable(error).unwrap_or(true),
            retry_count: 0,
            original_event_id: None,
        }
    }

    /// A word for programs, such as `EMPTY` or `429`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Where it happened.
    #[must_use]
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    /// Whether another attempt can help.
    #[must_use]
    pub fn retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        self
    }

    /// The event that was being handled, and how many attempts there were before.
    #[must_use]
    pub fn while_handling(self, context: &Context) -> Self {
        self.attempt(context.event_id(), context.attempt())
    }

    /// Like [`Failure::while_handling`], outside a subscriber; attempts count from 1.
    #[must_use]
    pub fn attempt(mut self, event_id: Uuid, attempt: u32) -> Self {
        self.original_event_id = Some(event_id);
        self.retry_count = attempt.saturating_sub(1);
        self
    }

    /// What has no field of its own.
    #[must_use]
    pub fn metadata(&self) -> Map<String, Value> {
        let id = self.original_event_id.map(|id| id.to_string());
        let pairs = [(STAGE, self.stage.clone()), (ORIGINAL_EVENT_ID, id)];
        pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect()
    }
}

fn with_sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| <dyn Error>::source(*error))
}

/// The error and what is underneath it. What an error repeats of its source is not said twice.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for inner in with_sources(error).skip(1) {
        let inner = inner.to_string();
        if !text.contains(&inner) {
            text = format!("{text}: {inner}");
        }
    }
    text
}

/// What the first of our own errors in the chain knows about itself.
fn is_retryable(error: &(dyn Error + 'static)) -> Option<bool> {
    with_sources(error).find_map(|error| {
        let ours = error.downcast_ref::<bloodbank_core::Error>().map(bloodbank_core::Error::is_retryable);
        ours.or_else(|| error.downcast_ref::<ClaimError>().map(ClaimError::is_retryable))
    })
}

impl FirefliesTranscriptFailed {
    /// A failure of this stage; the transcript or the recording is set by struct update.
    #[must_use]
    pub fn new(stage: FailedStage, failure: Failure) -> Self {
        Self {
            failed_stage: stage,
            metadata: failure.metadata(),
            error_message: failure.message,
            error_code: failure.code,
            transcript_id: None,
            media_file: None,
            timestamp: Utc::now(),
            is_retryable: failure.is_retryable,
            retry_count: failure.retry_count,
        }
    }
}

impl ArtifactIngestionFailed {
    /// A failure about this artifact.
    #[must_use]
    pub fn new(uri: impl Into<String>, kind: impl Into<String>, failure: Failure) -> Self {
        Self {
            artifact_uri: uri.into(),
            artifact_kind: kind.into(),
            metadata: failure.metadata(),
            error_message: failure.message,
            error_code: failure.code,
            is_retryable: failure.is_retryable,
            retry_count: failure.retry_count,
        }
    }
}

macro_rules! of_provider {
    ($($event:ident)*) => {$(
        impl $event {
            /// A failure of this provider; the model is set by struct update.
            #[must_use]
            pub fn new(provider: impl Into<String>, failure: Failure) -> Self {
                Self {
                    provider: provider.into(),
                    model: None,
                    metadata: failure.metadata(),
                    error_message: failure.message,
                    error_code: failure.code,
                    is_retryable: failure.is_retryable,
                    retry_count: failure.retry_count,
                }
            }
        }
    )*};
}
of_provider!(AgentThreadError LlmError);
