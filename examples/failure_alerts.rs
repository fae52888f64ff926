//! Retry or alert: one place that hears of every failure, `#.failed` and `#.error`, of whatever service.
//!
//! Run: `cargo run --example failure_alerts`
//!
//! Retrying is the business of the subscriber that failed: it publishes a failure event for every attempt, and the
//! header `bloodbank-final` on the last. Programs without that header count: what can be retried and was tried fewer than
//! three times is left to them.

use std::io;

use bloodbank::{message::names, prelude::*};
use bloodbank_domains::{
    agent::AgentThreadError,
    artifact::{Artifact, ArtifactAction, ArtifactIngestionFailed},
    failure::{Failure, ORIGINAL_EVENT_ID},
};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

/// What every failure event says, of whatever domain.
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

/// How many attempts are left to programs that do not say which one is the last.
const ENOUGH: u32 = 3;

#[subscriber(pattern = "#.failed")]
async fn on_failed(event: EventEnvelope<AnyEvent>, context: Context, State(lines): State<UnboundedSender<String>>) {
    let _ = lines.send(retry_or_alert(&event, &context));
}

#[subscriber(pattern = "#.error")]
async fn on_error(event: EventEnvelope<AnyEvent>, context: Context, State(lines): State<UnboundedSender<String>>) {
    let _ = lines.send(retry_or_alert(&event, &context));
}

/// A real one would call somebody; this one says what it would do.
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

/// Something that fails: at first in a way that may pass.
#[subscriber(retry(max_attempts = 2, backoff = "250ms"))]
async fn ingest(artifact: Artifact, context: Context) -> Result<(), ArtifactIngestionFailed> {
    let error = io::Error::other("the index is locked");
    let failure = Failure::of(&error).stage("indexing").code("LOCKED").while_handling(&context);
    Err(ArtifactIngestionFailed::new(artifact.uri, artifact.kind, failure))
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
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
