//! `Failure`: any error becomes the failure event of a domain, by one convention.

use std::{error::Error, fmt, io};

use bloodbank_core::{Event, claim_check::ClaimError};
use bloodbank_domains::{
    agent::AgentThreadError,
    artifact::ArtifactIngestionFailed,
    failure::Failure,
    fireflies::{FailedStage, FirefliesTranscriptFailed},
    llm::LlmError,
};
use serde_json::json;
use uuid::Uuid;

#[derive(Debug)]
struct Outer(Box<dyn Error + Send + Sync>);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the index cannot be written")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn failure(error: &(dyn Error + 'static)) -> Failure {
    Failure::of(error).stage("indexing").code("INDEX").attempt(Uuid::from_u128(7), 3)
}

#[test]
fn every_domain_says_the_same() {
    let error = Outer(io::Error::other("the disk is full").into());
    let metadata = json!({"stage": "indexing", "original_event_id": Uuid::from_u128(7).to_string()});
    let events = [
        serde_json::to_value(FirefliesTranscriptFailed::new(FailedStage::Processing, failure(&error))),
        serde_json::to_value(ArtifactIngestionFailed::new("file:///x", "document", failure(&error))),
        serde_json::to_value(AgentThreadError::new("anthropic", failure(&error))),
        serde_json::to_value(LlmError::new("anthropic", failure(&error))),
    ];
    for event in events {
        let event = event.expect("JSON");
        assert_eq!(event["error_message"], "the index cannot be written: the disk is full");
        assert_eq!(event["error_code"], "INDEX");
        assert_eq!(event["is_retryable"], true);
        assert_eq!(event["retry_count"], 2);
        assert_eq!(event["metadata"], metadata);
    }
}

#[test]
fn our_own_errors_say_whether_another_attempt_can_help() {
    let gone = ClaimError::BadKey { key: String::new() };
    assert!(!json_of(&gone)["is_retryable"].as_bool().expect("a boolean"));
    assert!(!json_of(&Outer(gone.into()))["is_retryable"].as_bool().expect("a boolean"));
    let closed = bloodbank_core::Error::new(bloodbank_core::ErrorKind::Closed, "closed");
    assert!(!json_of(&closed)["is_retryable"].as_bool().expect("a boolean"));
    let down = bloodbank_core::Error::new(bloodbank_core::ErrorKind::Connection, "the broker is down");
    assert!(json_of(&down)["is_retryable"].as_bool().expect("a boolean"));
}

fn json_of(error: &(dyn Error + 'static)) -> serde_json::Value {
    serde_json::to_value(LlmError::new("anthropic", Failure::of(error))).expect("JSON")
}

#[test]
fn a_failure_without_a_subject_is_no_event() {
    let error = io::Error::other("boom");
    let nobody = ArtifactIngestionFailed::new("", "document", Failure::of(&error));
    assert!(nobody.validate().is_err());
    // Without anything to say there is no field: the JSON is that of the Python side.
    let plain = serde_json::to_value(LlmError::new("anthropic", Failure::of(&error))).expect("JSON");
    assert!(plain.get("metadata").is_none());
}
