//! A consumer that prints every artifact event: artifacts that were created, updated or deleted, and failed ingestions.
//!
//! Run: `cargo run --example artifact_consumer`. On the embedded bus it publishes three events of its own and ends. With
//! `RABBIT_URL` set, it prints the events of other programs until it is stopped with Ctrl-C.

use bloodbank::prelude::*;
use bloodbank_domains::artifact::{Artifact, ArtifactAction, ArtifactIngestionFailed};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, EventSet)]
enum ArtifactEvent {
    Changed(Artifact),
    Failed(ArtifactIngestionFailed),
    #[event_set(other)]
    Other(Value),
}

/// Prints one line for each event. Control characters in untrusted texts are escaped.
#[subscriber(pattern = "artifact.#")]
async fn print(event: EventEnvelope<ArtifactEvent>, State(printed): State<UnboundedSender<()>>) {
    let time = event.timestamp.format("%H:%M:%S");
    match &event.payload {
        ArtifactEvent::Changed(artifact) => {
            let title = artifact.title.as_deref().unwrap_or("untitled");
            let size = artifact.content.as_ref().map(|content| format!(", {} characters", content.chars().count()));
            let (kind, uri) = (artifact.kind.escape_debug(), artifact.uri.escape_debug());
            println!(
                "{time} {:<8} {kind} {uri} ({}{})",
                word(artifact.action),
                title.escape_debug(),
                size.unwrap_or_default()
            );
        }
        ArtifactEvent::Failed(failed) => {
            let again = if failed.is_retryable { "another attempt can help" } else { "no attempt can help" };
            let (uri, error) = (failed.artifact_uri.escape_debug(), failed.error_message.escape_debug());
            println!("{time} failed   {uri}: {error} (attempt {}, {again})", failed.retry_count.saturating_add(1));
        }
        ArtifactEvent::Other(payload) => println!("{time} {} {payload}", event.event_type.escape_debug()),
    }
    let _ = printed.send(());
}

fn word(action: ArtifactAction) -> &'static str {
    match action {
        ArtifactAction::Created => "created",
        ArtifactAction::Updated => "updated",
        ArtifactAction::Deleted => "deleted",
    }
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (printed, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let has_others = bus.settings().rabbit_url.is_some();
    let app = App::new("artifact-printer", bus.clone()).state(printed).subscribe(print).start().await?;
    if has_others {
        return app.wait().await;
    }

    let artifact = Artifact {
        action: ArtifactAction::Created,
        kind: "transcript".into(),
        uri: "file:///srv/transcripts/standup.txt".into(),
        title: Some("Team Standup".into()),
        content: Some("Questions?".into()),
        metadata: Default::default(),
    };
    let created = bus.publish(artifact.clone()).await?;
    bus.publish(Artifact { action: ArtifactAction::Deleted, content: None, ..artifact.clone() })
        .caused_by(&created)
        .await?;
    let failed = ArtifactIngestionFailed {
        artifact_uri: artifact.uri,
        artifact_kind: artifact.kind,
        error_message: "the file is gone".into(),
        error_code: Some("NOT_FOUND".into()),
        retry_count: 0,
        is_retryable: false,
        metadata: Default::default(),
    };
    bus.publish(failed).caused_by(&created).await?;
    for _ in 0..3 {
        let _ = lines.recv().await;
    }
    app.shutdown().await
}
