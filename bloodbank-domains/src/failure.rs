//! Conversion of errors to failure events, by one convention for all domains.
//!
//! | field of the failure event | value |
//! |---|---|
//! | `error_message` | the error and its sources, in one line |
//! | `error_code` | a code for programs, in capitals |
//! | `is_retryable` | as an error of Bloodbank says of itself; true for any other error |
//! | `retry_count` | the number of attempts before this one; the runtime sets it too |
//! | `metadata.stage` | the stage that failed; Fireflies has the field `failed_stage` instead |
//! | `metadata.original_event_id` | the id of the event that was being handled, which is also the parent of the failure event |
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

/// The key in `metadata` of the stage that failed.
pub const STAGE: &str = "stage";
/// The key in `metadata` of the id of the event that was being handled.
pub const ORIGINAL_EVENT_ID: &str = "original_event_id";

/// The common part of all failure events, from which the event of a domain is made.
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
    /// Makes a failure of an error and its sources.
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

    /// Sets the error code for programs, such as `EMPTY` or `429`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the stage that failed.
    #[must_use]
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    /// Sets whether another attempt can succeed.
    #[must_use]
    pub fn retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        self
    }

    /// Sets the id of the event that is being handled, and the number of attempts before this one.
    #[must_use]
    pub fn while_handling(self, context: &Context) -> Self {
        self.attempt(context.event_id(), context.attempt())
    }

    /// Sets the id of the event and the number of the attempt, counted from 1: [`Failure::while_handling`] outside of a
    /// subscriber.
    #[must_use]
    pub fn attempt(mut self, event_id: Uuid, attempt: u32) -> Self {
        self.original_event_id = Some(event_id);
        self.retry_count = attempt.saturating_sub(1);
        self
    }

    /// The entries of `metadata`: the stage and the id of the event that was being handled.
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

/// The messages of an error and its sources, joined by colons. A source that its error already quotes is left out.
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

/// Whether another attempt can succeed, by the first error of Bloodbank in the chain of sources.
fn is_retryable(error: &(dyn Error + 'static)) -> Option<bool> {
    with_sources(error).find_map(|error| {
        let ours = error.downcast_ref::<bloodbank_core::Error>().map(bloodbank_core::Error::is_retryable);
        ours.or_else(|| error.downcast_ref::<ClaimError>().map(ClaimError::is_retryable))
    })
}

impl FirefliesTranscriptFailed {
    /// Makes the failure event of a stage; the transcript or the recording is set by struct update.
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
    /// Makes the failure event of an artifact.
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
            /// Makes the failure event of a provider; the model is set by struct update.
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
