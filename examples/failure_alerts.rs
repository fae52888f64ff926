//! Alerts on failures: a consumer of every failure event of every service, `#.failed` and `#.error`.
//!
//! Run: `cargo run --example failure_alerts`
//!
//! The subscriber that failed retries the event: it publishes a failure event for every attempt, the last one with the header
//! `bloodbank-final`. Programs that do not set the header are given three attempts before an alert.

use std::io;

use bloodbank::{message::names, prelude::*};
use bloodbank_domains::{
    agent::AgentThreadError,
    artifact::{Artifact, ArtifactAction, ArtifactIngestionFailed},
    failure::{Failure, ORIGINAL_EVENT_ID},
};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

/// The fields that the failure events of all domains have.
#[derive(Debug, Deserialize)]
struct AnyFailure {
    error_message: String,
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    is_retryable: bool,
    #[serde(default)]
    retry_count: u32,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Debug, EventSet)]
enum AnyEvent {
    #[event_set(other)]
    Failure(AnyFailure),
}

/// The number of attempts of programs that do not mark the last one.
const ENOUGH: u32 = 3;

#[subscriber(pattern = "#.failed")]
async fn on_failed(event: EventEnvelope<AnyEvent>, context: Context, State(lines): State<UnboundedSender<String>>) {
    let _ = lines.send(retry_or_alert(&event, &context));
}

#[subscriber(pattern = "#.error")]
async fn on_error(event: EventEnvelope<AnyEvent>, context: Context, State(lines): State<UnboundedSender<String>>) {
    let _ = lines.send(retry_or_alert(&event, &context));
}

/// Describes the reaction to a failure; a real service would notify somebody.
fn retry_or_alert(event: &EventEnvelope<AnyEvent>, context: &Context) -> String {
    let AnyEvent::Failure(failure) = &event.payload;
    let attempt = failure.retry_count.saturating_add(1);
    let is_last = context.headers().get(names::FINAL).is_some() || !failure.is_retryable || attempt >= ENOUGH;
    let verdict = if is_last { "ALERT" } else { "wait " };
    let code = failure.error_code.as_deref().unwrap_or("-");
    let known = failure.metadata.contains_key(ORIGINAL_EVENT_ID) || event.correlation_id().is_some();
    let cause = if known { "its cause is known" } else { "without a cause" };
    let message = failure.error_message.escape_debug();
    format!("{verdict} {} attempt {attempt} {}: {message} ({cause})", event.event_type, code.escape_debug())
}

/// A subscriber that fails with a temporary error at each attempt.
#[subscriber(retry(max_attempts = 2, backoff = "250ms"))]
async fn ingest(artifact: Artifact, context: Context) -> Result<(), ArtifactIngestionFailed> {
    let error = io::Error::other("the index is locked");
    let failure = Failure::of(&error).stage("indexing").code("LOCKED").while_handling(&context);
    Err(ArtifactIngestionFailed::new(artifact.uri, artifact.kind, failure))
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (lines, mut said) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("alerts", bus.clone())
        .state(lines)
        .subscribe(on_failed)
        .subscribe(on_error)
        .subscribe(ingest)
        .start()
        .await?;

    let artifact = Artifact {
        action: ArtifactAction::Created,
        kind: "transcript".into(),
        uri: "file:///srv/transcripts/standup.txt".into(),
        title: None,
        content: None,
        metadata: Map::new(),
    };
    bus.publish(artifact).await?;
    for _ in 0..2 {
        println!("{}", said.recv().await.unwrap_or_default());
    }
    // As another service would publish it.
    let error = io::Error::other("the key is not accepted");
    let failure = Failure::of(&error).code("401").retryable(false);
    bus.publish(AgentThreadError::new("anthropic", failure)).await?;
    println!("{}", said.recv().await.unwrap_or_default());
    app.shutdown().await
}
